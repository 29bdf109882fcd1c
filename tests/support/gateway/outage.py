"""A database that can be taken away from a gateway, and given back."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import threading
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from tests.support.waiting import PATIENCE_SECONDS


class Outage(Protocol):
    """`url` is the gateway's DATABASE_URL; nothing else is disturbed by an outage."""

    url: str

    def begin(self) -> None: ...

    def end(self) -> None: ...

    def close(self) -> None: ...


class LockedFile:
    """SQLite: somebody else writes, for longer than the gateway waits."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}?timeout=1"
        self._path = url.removeprefix("sqlite:///")
        self._connection: sqlite3.Connection | None = None

    def begin(self) -> None:
        self._connection = sqlite3.connect(
            self._path,
            timeout=PATIENCE_SECONDS,
            isolation_level=None,
            check_same_thread=False,  # a timer ends it
        )
        self._connection.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        if self._connection is not None:
            self._connection.execute("ROLLBACK")
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        self.end()


class CutLine:
    """PostgreSQL: reached through a relay that can hang up and refuse to answer."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._open: set[socket.socket] = set()
        self.commits_to_lose = 0  # done by the server, and nobody hears of it
        self.begins_with_lost_commit = False
        self._listener = self._listen(0)
        self._port: int = self._listener.getsockname()[1]
        self.url = f"postgres://{parts.username}@127.0.0.1:{self._port}{parts.path}"

    def begin(self) -> None:
        hang_up(self._listener)
        for connection in list(self._open):
            hang_up(connection)

    def end(self) -> None:
        self._listener = self._listen(self._port)

    def close(self) -> None:
        self.begin()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._open |= {client, server}
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.commits_to_lose and b"COMMIT\0" in data:
                    self.commits_to_lose -= 1
                    if self.begins_with_lost_commit:
                        self.begin()
                    break
                sink.sendall(data)
        for connection in (source, sink):
            hang_up(connection)
            self._open.discard(connection)


def hang_up(connection: socket.socket) -> None:
    """Close, and wake whoever waits in `accept` or `recv`."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
