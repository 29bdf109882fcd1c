"""Large bodies: a few are read and translated at once, the others wait for their turn.

Until such a body is ready to be forwarded it takes several times its size: as files or
JSON, as base64, and as the upstream's JSON. Afterwards only the last is left. Each
takes as many places as it has MiB; one organization never has more than are free.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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


def turn(
    request: LeanRequest, owner: int, *, bytes_max: int
) -> AbstractAsyncContextManager[None]:
    """A place for the body of `request`, if it may be large, for as long as it is read.

    Raises: GatewayError (429, 503) when none is free in GATEWAY_BODY_SECONDS_MAX.
    """
    size = request.declared_bytes
    if size is None and request.is_chunked:
        return _waited(request, owner, _places(bytes_max))  # in chunks it may go on
    if size is not None and MEMORY_BYTES_MAX < size <= bytes_max:
        return _waited(request, owner, _places(size))
    return _Counted(request, owner)  # small; or it is refused unread


@asynccontextmanager
async def _waited(request: LeanRequest, owner: int, places: int) -> AsyncIterator[None]:
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


class _Counted:
    """What comes of the body counts for `owner`, byte by byte: a connection alone takes
    nothing. Raises: GatewayError (429, 503), from where it is read."""

    __slots__ = ("_owner", "_request", "_taken")

    def __init__(self, request: LeanRequest, owner: int) -> None:
        self._request, self._owner, self._taken = request, owner, 0

    async def __aenter__(self) -> None:
        self._request.counted = self._count

    async def __aexit__(self, *_: object) -> None:
        self._request.counted = None
        shares.small_bodies.give_back(self._owner, self._taken)

    def _count(self, size: int) -> None:
        try:
            shares.small_bodies.take(self._owner, size)
        except Crowded as crowded:
            raise shares.uploads_refused(crowded) from None
        self._taken += size
