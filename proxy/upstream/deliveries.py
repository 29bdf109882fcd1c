"""Files that the upstream made, handed to clients as they arrive.

Speech and the content of videos are delivered so, under the guard and the limit of
`media.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from portal.outbound import Download, FetchError
from portal.runtime.cuts import AnswerCut
from proxy.http import upstream_refusals
from proxy.process.background import BackgroundTasks
from proxy.upstream import media

closing = BackgroundTasks()


async def deliver(
    url: Any,
    headers: dict[str, str],
    *,
    content_type: str,
    kind: str = "",
    on_close: Callable[[], object] = lambda: None,
) -> HttpResponseBase:
    """The file at the address `url` of the upstream's answer, up to MEDIA_BYTES_MAX.

    Its type is `content_type`, unless its server names a type of `kind` ("video/").

    Raises: GatewayError (502) that names the address.
    """
    if not isinstance(url, str):
        raise upstream_refusals.media_unavailable([], "no_url")
    try:
        if url[:5].lower() == "data:":
            file = await media.fetch(url, bytes_max=settings.MEDIA_BYTES_MAX)
            found = _type(file.content_type, kind) or content_type
            return HttpResponse(file.content, headers=headers, content_type=found)
        download = await media.open_url(url, bytes_max=settings.MEDIA_BYTES_MAX)
    except FetchError as error:
        raise upstream_refusals.media_unavailable([url], error.reason) from None
    if download.length is not None:
        headers["content-length"] = str(download.length)
    return StreamingHttpResponse(
        Delivery(download, on_close),
        headers=headers,
        content_type=_type(download.content_type, kind) or content_type,
    )


def _type(said: str, kind: str) -> str:
    """The type that a server names, if it is of `kind`; never `text/html`."""
    said = said.partition(";")[0].strip().lower()
    is_plain = said.isascii() and said.isprintable() and " " not in said
    return said if kind and is_plain and said.startswith(kind) else ""


class Delivery:
    """A download on its way to the client, closed when the client leaves early.

    Not a generator function: one that never began does not run its `finally`.
    """

    def __init__(self, download: Download, on_close: Callable[[], object]) -> None:
        self._download, self._on_close = download, on_close

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        """Raises: AnswerCut when the file breaks off, or is larger than it said."""
        try:
            async for chunk in self._download.chunks():
                yield chunk
        except FetchError as error:
            raise AnswerCut(f"a file of the upstream's: {error.reason}") from None

    def close(self) -> None:
        """Called at the end of the response, whatever the end was."""
        self._on_close()
        closing.start(self._download.close())
