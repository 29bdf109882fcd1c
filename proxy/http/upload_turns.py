"""Large bodies: a few are read and translated at once, the others wait for their turn.

Until such a body is ready to be forwarded it takes several times its size: as files or
JSON, as base64, and as the upstream's JSON. Afterwards only the last is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.conf import settings

from proxy.http import refusals
from proxy.http.handler import LeanRequest
from proxy.http.multipart import MEMORY_BYTES_MAX

_places = asyncio.Semaphore(settings.GATEWAY_UPLOADS_MAX)  # of this process


@asynccontextmanager
async def turn(request: LeanRequest) -> AsyncIterator[None]:
    """A place for the body of `request`, if it may be large, for as long as it is read.

    Raises: GatewayError (503) when none is free in GATEWAY_BODY_SECONDS_MAX.
    """
    if not _may_be_large(request):
        yield
        return
    try:
        async with asyncio.timeout(settings.GATEWAY_BODY_SECONDS_MAX):
            await _places.acquire()
    except TimeoutError:
        raise refusals.too_many_uploads() from None
    try:
        yield
    finally:
        _places.release()


def _may_be_large(request: LeanRequest) -> bool:
    size = request.declared_bytes
    if size is None:  # it comes in chunks, and may go on
        return True
    bytes_max: int = settings.GATEWAY_UPLOAD_BYTES_MAX
    # What is over the limit is refused unread: that needs no turn.
    return MEMORY_BYTES_MAX < size <= bytes_max
