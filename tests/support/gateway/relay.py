"""A relay between client and gateway that loses answers, as networks do."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Self

from tests.support.services.gateway import Gateway
from tests.support.waiting import PATIENCE_SECONDS

# What the gateway sends at once arrives within this time.
SILENCE_SECONDS = 0.05


class Relay:
    """Each connection goes to `gateway`; of the first `losing` of them the client
    never sees a byte: they break once the gateway has answered."""

    def __init__(self, gateway: Gateway, *, losing: int) -> None:
        self._gateway = gateway
        self._losing = losing
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                loses = self.connections <= self._losing
                threading.Thread(
                    target=self._serve, args=(client, loses), daemon=True
                ).start()

    def _serve(self, client: socket.socket, loses: bool) -> None:
        address = ("127.0.0.1", self._gateway.port)
        with (
            client,
            socket.create_connection(address, timeout=PATIENCE_SECONDS) as server,
            contextlib.suppress(OSError),
        ):
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            if loses:
                server.recv(1)
                time.sleep(SILENCE_SECONDS)
                client.shutdown(socket.SHUT_RDWR)
            else:
                _pump(server, client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
