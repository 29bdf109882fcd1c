"""Starts granian with an ASGI application; nothing else starts a server."""

from __future__ import annotations

import socket

from django.core.management.base import CommandError
from django.db import connections
from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels


def serve(
    target: str, *, host: str, port: int, workers: int, has_lifespan: bool = False
) -> None:
    """Serve `target` ("module:application") until SIGINT or SIGTERM, in so many worker
    processes; one that dies is started again. Waits at most 30 s for calls to end."""
    forget_connections()
    Granian(
        target,
        address=host,
        port=port,
        interface=Interfaces.ASGI if has_lifespan else Interfaces.ASGINL,
        workers=workers,
        loop=Loops.uvloop,
        websockets=False,
        backlog=2048,
        log_level=LogLevels.warning,
        log_access=False,
        respawn_failed_workers=True,
        workers_kill_timeout=30,
    ).serve()


def forget_connections() -> None:
    """Close every database connection, and PostgreSQL's pool with its threads.

    Workers are forked. One that inherited a pool would share its sockets with the
    other workers, and would wait for threads that a fork does not copy.
    """
    connections.close_all()
    for connection in connections.all(initialized_only=True):
        if connection.vendor == "postgresql":
            # Only PostgreSQL's connections have one.
            connection.close_pool()  # type: ignore[attr-defined]


def free_port(host: str, port: int) -> int:
    """`port` itself if nobody listens on it; for 0, one that is free.

    Granian binds with SO_REUSEPORT: without this check a second server on the same
    port would silently get half of the first one's calls.

    Raises: CommandError when somebody listens there.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(f"{host}:{port}: {error.strerror}") from None
        found: int = probe.getsockname()[1]
    return found
