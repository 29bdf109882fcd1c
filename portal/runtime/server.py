"""Starts granian with ASGI applications; nothing else starts a server.

HTTP/1.1 only: granian's guess at the protocol waits for a first byte without an end,
its HTTP/1.1 does not.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import connections
from django.utils.module_loading import import_string
from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from portal.runtime import connections as guarded
from portal.runtime import cuts, endings
from portal.runtime.companion import Companion

# For killing what has not ended in time.
KILL_SECONDS = 5
# How long a signal may go unnoticed.
NOTICE_SECONDS = 0.5
# Of glibc's malloc.h.
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
# From a connection's beginning, or its last answer, to the end of a request's head. As
# long as a connection may stay open between two requests.
HEAD_SECONDS = 30
# The pages' requests have a minute.
PAGES_STOP_SECONDS = 10


class Server(Granian):  # type: ignore[misc,valid-type]
    """Granian, which at Ctrl-C waits no more when it is ending already.

    Not at a second SIGTERM: systemd sends one to every process, and `up` another.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.main_loop_interrupt = Interrupt(self)
        self.companion: Companion | None = None

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        if self.interrupt_signal and args[0] == signal.SIGINT:
            for worker in self.wrks:
                worker.kill()
        super().signal_handler_interrupt(*args, **kwargs)


class PagesServer(Server):
    """The pages' server. Ctrl-C reaches it, too; but it ends when it is told to, after
    the server that people's requests come through."""

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        if args[0] != signal.SIGINT:
            super().signal_handler_interrupt(*args, **kwargs)


class Interrupt(threading.Event):
    """What a server's main thread waits for: the end of a worker, or a signal.

    Python runs a signal's handler in the main thread, which sleeps on when the system
    gives the signal to another one. And granian, which has just started a worker anew,
    forgets that it was interrupted meanwhile. So this one looks up now and then.
    """

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server

    def wait(self, timeout: float | None = None) -> bool:
        del timeout  # granian gives none
        while not super().wait(NOTICE_SECONDS):
            if self._server.interrupt_signal:
                return True
            if self._server.companion is not None:
                self._server.companion.look()
        return True


def serve(
    target: str,
    *,
    host: str,
    port: int,
    workers: int,
    shutdown_seconds: int,
    has_lifespan: bool = False,
    pages: str = "",
    pages_at_once: int = 1,
) -> None:
    """Serve `target` ("module:application") until SIGINT or SIGTERM, in so many worker
    processes; one that dies is started again. So is one more process, which serves
    `pages`: so many of them at once for all workers.

    At the end new connections are refused, and what runs has `shutdown_seconds` to end;
    what has not ended is killed.
    """
    forget_connections()
    connections_max = guarded.room()
    server = Server(
        target,
        address=host,
        port=port,
        interface=Interfaces.ASGI if has_lifespan else Interfaces.ASGINL,
        workers=workers,
        backpressure=connections_max,
        workers_kill_timeout=shutdown_seconds,
        **COMMON,
    )
    loader = partial(_load, target, os.getpid(), shutdown_seconds)
    if not pages:
        endings.end_with_supervisor(seconds=shutdown_seconds + KILL_SECONDS)
        server.serve(target_loader=loader, wrap_loader=False)
        return
    # Its name is short, as a socket's must be; nobody else may connect.
    with tempfile.TemporaryDirectory(prefix="tollgate-") as folder:
        path = f"{folder}/pages"
        server.companion = Companion(
            "pages", partial(serve_pages, pages, path, os.getpid())
        )
        server.companion.start()
        endings.end_with_supervisor(seconds=shutdown_seconds + KILL_SECONDS)
        at_once = max(pages_at_once // workers, 2)
        try:
            server.serve(
                target_loader=partial(_load_edge, loader, path, at_once, port),
                wrap_loader=False,
            )
        finally:
            server.companion.end(PAGES_STOP_SECONDS)


COMMON: dict[str, Any] = {
    "loop": Loops.uvloop,
    "http": HTTPModes.http1,
    "http1_settings": HTTP1Settings(header_read_timeout=HEAD_SECONDS * 1000),
    "websockets": False,
    "backlog": 2048,
    "log_level": LogLevels.warning,
    "log_access": False,
    "respawn_failed_workers": True,
}


def serve_pages(target: str, path: str, parent: int) -> None:
    """Serve `target` behind a Unix socket, until SIGTERM or the end of `parent`."""
    # Handlers of the process that this one was copied from.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    guarded.close_listeners()
    endings.end_with_parent(parent, seconds=PAGES_STOP_SECONDS)
    Path(path).unlink(missing_ok=True)  # of one that was killed
    PagesServer(
        target,
        uds=Path(path),
        interface=Interfaces.ASGINL,
        workers=1,
        workers_kill_timeout=PAGES_STOP_SECONDS,
        **COMMON,
    ).serve(
        target_loader=partial(_load, target, os.getpid(), PAGES_STOP_SECONDS),
        wrap_loader=False,
    )


def _load(target: str, parent: int, shutdown_seconds: int) -> Any:
    """The application, in a worker process: it does not outlive the server."""
    endings.end_with_parent(parent, seconds=shutdown_seconds)
    give_memory_back()
    cuts.say_briefly()
    return import_string(target.replace(":", "."))


def _load_edge(load: partial[Any], path: str, at_once: int, port: int) -> Any:
    """The same, for the public address: it knows where the pages are."""
    application = load()
    import_string("portal.asgi.pages_are_at")(path, at_once)
    guarded.watch(port)
    return application


def give_memory_back() -> None:
    """Let glibc return large blocks (a body, the 19 MiB of a password's hash) to the
    system when they are freed: each thread's own heap would keep them for ever."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # elsewhere there is none, nor the need
        mallopt(M_MMAP_THRESHOLD, 1024**2)
        mallopt(M_ARENA_MAX, 4)


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


def numeric(host: str) -> str:
    """The address to listen on that `host` names, one of IPv4 if it has one.

    Raises: CommandError when it names none.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise CommandError(
            f"HOST={host} names no address of this machine ({error.strerror}): set an "
            "address, such as 127.0.0.1 or ::"
        ) from None
    found.sort(key=lambda each: each[0] != socket.AF_INET)
    return str(found[0][4][0])


def free_port(host: str, port: int) -> int:
    """`port` itself if nobody listens on it; for 0, one that is free.

    Granian binds with SO_REUSEPORT: without this check a second server on the same
    port would silently get half of the first one's calls.

    Raises: CommandError when somebody listens there, or it is no address of ours.
    """
    host = numeric(host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(f"HOST {host}, PORT {port}: {error.strerror}") from None
        found: int = probe.getsockname()[1]
    return found
