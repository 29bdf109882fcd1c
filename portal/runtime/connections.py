"""Connections of a server process: bounded in all and for each address.

The server itself (granian) closes what sends no head in time, and takes no more than so
many connections. Here is what it cannot do: one address may not take them all. A thread
looks at this process's sockets now and then and shuts those that nothing is asked on,
the longest silent first, where an address has too many of them, or all have together.
A call costs nothing by that. Linux only: elsewhere a proxy in front has to do it.
"""

from __future__ import annotations

import logging
import os
import resource
import socket
import stat
import struct
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

from portal.tenants import addresses

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
# A connection is left alone in its first moment, and after its last byte.
GRACE_SECONDS = 1.0
# From so much of all on, the longest silent are shut, whosever they are.
FULL_SHARE = 0.75
FILES = "/proc/self/fd"
# For files, the database, the upstream.
OTHER_FILES = 1024
# Of `struct tcp_info`: milliseconds since the last byte came.
LAST_RECEIVED_AT, TCP_INFO_BYTES = 52, 56

# Who asks something now, and how often that is by address. The application says so.
busy: set[tuple[str, int]] = set()
_busy_of: Counter[str] = Counter()

Peer = tuple[str, int]


def enter(peer: Peer) -> bool:
    """A request of `peer` begins; False where its address has too many already."""
    owner = _owner(peer[0])
    is_full = _busy_of[owner] >= settings.CONNECTIONS_PER_ADDRESS_MAX
    if is_full and not _is_proxy(peer[0]):
        return False
    busy.add(peer)
    _busy_of[owner] += 1
    return True


def leave(peer: Peer) -> None:
    """It is over."""
    owner = _owner(peer[0])
    busy.discard(peer)
    _busy_of[owner] -= 1
    if not _busy_of[owner]:
        del _busy_of[owner]


def room() -> int:
    """How many connections one process takes: CONNECTIONS_MAX, or what the system lets
    it open. Raises the limit of open files as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    most: int = settings.CONNECTIONS_MAX
    if soft == resource.RLIM_INFINITY:
        return most
    return max(min(most, soft - OTHER_FILES), 64)


@dataclass(frozen=True, slots=True)
class Seen:
    """One connection, at one look."""

    socket: socket.socket
    address: str
    port: int
    silent_seconds: float

    @property
    def is_busy(self) -> bool:
        return (self.address, self.port) in busy


def too_many(
    seen: Collection[Seen], *, of_one: int, of_all: int, trusted: Collection[str] = ()
) -> list[Seen]:
    """Which of them to shut: idle ones only, the longest silent first."""
    by_owner: dict[str, list[Seen]] = defaultdict(list)
    for each in seen:
        if each.address not in trusted:
            by_owner[_owner(each.address)].append(each)
    found: list[Seen] = []
    for its in by_owner.values():
        if (excess := len(its) - of_one) > 0:
            found += _longest_silent(its, excess)
    excess = len(seen) - len(found) - of_all
    if excess > 0:
        shut = set(map(id, found))
        found += _longest_silent([s for s in seen if id(s) not in shut], excess)
    return found


def _longest_silent(seen: Collection[Seen], count: int) -> list[Seen]:
    """So many idle ones. What is young is spared, unless half of all would have to go:
    a head may drip in for ever."""
    idle = [each for each in seen if not each.is_busy]
    idle.sort(key=lambda each: -each.silent_seconds)
    is_flood = count > len(seen) / 2
    return [
        each
        for each in idle[:count]
        if is_flood or each.silent_seconds >= GRACE_SECONDS
    ]


@lru_cache(maxsize=4096)
def _owner(address: str) -> str:
    """Whose connection it is; who comes by a Unix socket is nobody, and one."""
    return addresses.network_of(addresses.read(address))


def open_connections(port: int) -> Iterator[Seen]:
    """What is connected to this process's `port`. Each is a duplicate, to be closed:
    its number cannot be somebody else's by the time it is shut."""
    for _, found in _sockets():
        try:
            peer = found.getpeername()
            info = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
            own_port = found.getsockname()[1]
        except OSError:
            found.close()
            continue
        if own_port != port:  # ours, to the database or the upstream
            found.close()
            continue
        (milliseconds,) = struct.unpack_from("I", info, LAST_RECEIVED_AT)
        yield Seen(found, peer[0], peer[1], milliseconds / 1000)


def close_listeners() -> None:
    """In a process that was copied from a server: its port is not ours."""
    for number, found in _sockets() if sys.platform == "linux" else ():
        with found:
            if found.family != socket.AF_UNIX and found.getsockopt(
                socket.SOL_SOCKET, socket.SO_ACCEPTCONN
            ):
                os.close(number)


def _sockets() -> Iterator[tuple[int, socket.socket]]:
    """This process's, by number; each is a duplicate."""
    for name in os.listdir(FILES):
        with suppress(OSError):
            if stat.S_ISSOCK(os.stat(f"{FILES}/{name}").st_mode):
                yield int(name), _socket(int(name))


def _socket(number: int) -> socket.socket:
    """A duplicate. Raises: OSError where that is no socket any more, or closed.

    Then the duplicate stays open for ever: closing any descriptor of a file gives up
    all locks that this process has of it, and SQLite's database would be written by
    two processes at once (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    return socket.socket(fileno=os.dup(number))


def look(port: int, of_all: int) -> int:
    """Shut what is too much; how many that were."""
    if len(os.listdir(FILES)) <= settings.CONNECTIONS_PER_ADDRESS_MAX:
        return 0
    seen = list(open_connections(port))
    try:
        found = too_many(
            seen,
            of_one=settings.CONNECTIONS_PER_ADDRESS_MAX,
            of_all=int(of_all * FULL_SHARE),
            trusted={each.address for each in seen if _is_proxy(each.address)},
        )
        for each in found:
            with suppress(OSError):
                each.socket.shutdown(socket.SHUT_RDWR)
    finally:
        for each in seen:
            each.socket.close()
    return len(found)


def _is_proxy(address: str) -> bool:
    found = addresses.read(address)
    trusted = addresses.networks(tuple(settings.TRUSTED_PROXIES))
    return found is not None and addresses.is_in(found, trusted)


def watch(port: int) -> None:
    """Look at them from now on, in a thread."""
    if sys.platform != "linux":
        return
    of_all = room()

    def run() -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                if count := look(port, of_all):
                    logger.warning(
                        "shut %d idle connections: there were too many", count
                    )
            except Exception:  # noqa: BLE001  it must outlive whatever happens
                logger.exception("connections could not be looked at")

    threading.Thread(target=run, name="connections", daemon=True).start()
