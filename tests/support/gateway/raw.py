"""HTTP without a client's manners: sent as told, and left at any byte."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from typing import Any, Self

from tests.support.services.gateway import Gateway
from tests.support.waiting import PATIENCE_SECONDS


class RawCall:
    """One call on a connection of its own, which can be left at any point."""

    def __init__(
        self, gateway: Gateway, secret: str, path: str = "/v1/chat/completions"
    ) -> None:
        self.path = path
        self.headers = {"Authorization": f"Bearer {secret}"}
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", gateway.port, timeout=PATIENCE_SECONDS
        )
        self.reply: http.client.HTTPResponse | None = None

    def send(self, **fields: Any) -> Self:
        """Send the whole request; the answer is not waited for."""
        # As httpx writes it: a retry of it has the same bytes.
        content = json.dumps(fields, separators=(",", ":")).encode()
        headers = {**self.headers, "Content-Type": "application/json"}
        self.connection.request("POST", self.path, content, headers)
        return self

    def read_head(self) -> http.client.HTTPResponse:
        self.reply = self.connection.getresponse()
        return self.reply

    def read(self, count: int | None = None) -> bytes:
        """That many bytes of the body, or all of it."""
        return (self.reply or self.read_head()).read(count)

    def leave(self, *, reset: bool = False) -> None:
        """Close the connection; with `reset`, as a crashing machine does."""
        sock = self.connection.sock
        if reset and isinstance(sock, socket.socket):
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if self.reply is not None:
            self.reply.close()
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


def head(secret: str, *lines: str, path: str = "/v1/chat/completions") -> bytes:
    """The head of a POST with this key and these header lines, to its empty line."""
    start = f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {secret}"
    return "\r\n".join([*start, *lines, "", ""]).encode()


def connect(gateway: Gateway, *, seconds: float = PATIENCE_SECONDS) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gateway.port), timeout=seconds)


def exchange(gateway: Gateway, request: bytes) -> bytes:
    """Send exactly these bytes; all that comes back until the connection closes."""
    with connect(gateway) as raw:
        raw.sendall(request)
        received = bytearray()
        while data := raw.recv(65536):
            received += data
        return bytes(received)
