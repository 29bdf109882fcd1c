"""Large bodies: a few are read and translated at once, the others wait for their turn.

Until such a body is ready to be forwarded it takes several times its size: as files or
JSON, as base64, and as the upstream's JSON. Afterwards only the last is left. Each
takes as many places as it has MiB; one organization never has more than are free.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache

from django.conf import settings

from portal.runtime.shares import Crowded, Turns
from proxy.http import shares
from proxy.http.handler import LeanRequest
from proxy.http.multipart import MEMORY_BYTES_MAX

WAITING_MAX = 64  # of one organization


def _places(size: int) -> int:
    return max(1, -(-size // shares.MIB))


@cache
def _turns() -> Turns:
    """Of this process."""
    each = _places(settings.GATEWAY_UPLOAD_BYTES_MAX)
    return Turns(settings.GATEWAY_UPLOADS_MAX * each, waiting_max=WAITING_MAX)


@asynccontextmanager
async def turn(
    request: LeanRequest, owner: int, *, bytes_max: int
) -> AsyncIterator[None]:
    """A place for the body of `request`, if it may be large, for as long as it is read.

    Raises: GatewayError (429, 503) when none is free in GATEWAY_BODY_SECONDS_MAX.
    """
    size = request.declared_bytes
    if size is None:
        # In chunks it may go on; else there is none.
        size = bytes_max if "HTTP_TRANSFER_ENCODING" in request.META else 0
    if not MEMORY_BYTES_MAX < size <= bytes_max and not (
        request.declared_bytes is None and size
    ):
        # Small; or it is refused unread, and needs no turn.
        with _counted(request, owner):
            yield
        return
    places = _places(size)
    try:
        await _turns().wait(owner, places, seconds=settings.GATEWAY_BODY_SECONDS_MAX)
    except Crowded as crowded:
        raise shares.uploads_refused(crowded) from None
    request.is_paced = True
    try:
        yield
    finally:
        request.is_paced = False
        _turns().give_back(owner, places)


@contextmanager
def _counted(request: LeanRequest, owner: int) -> Iterator[None]:
    """What comes of the body counts for `owner`, byte by byte: a connection alone takes
    nothing. Raises: GatewayError (429, 503), from where it is read."""
    taken = 0

    def count(size: int) -> None:
        nonlocal taken
        try:
            shares.small_bodies.take(owner, size)
        except Crowded as crowded:
            raise shares.uploads_refused(crowded) from None
        taken += size

    request.counted = count
    try:
        yield
    finally:
        request.counted = None
        shares.small_bodies.give_back(owner, taken)
