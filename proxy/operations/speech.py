"""Speech: the bytes that the SDKs expect, from the address that the upstream gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from billing.pricing import Units
from proxy import contract, media
from proxy.calls import Call, Document, Headers, Incoming, Operation, as_json
from proxy.errors import invalid
from proxy.operations import bodies

NAME = "audio.speech"
PATH = "/audio/speech"
SCHEMA = "TextToSpeechRequest"
CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "opus": "audio/opus",
    "aac": "audio/aac",
}
DROPPED = ("instructions", "stream_format", "stream")


def read(incoming: Incoming) -> Call:
    """The call that a request body asks for. Raises: GatewayError (400)."""
    bodies.refuse_streaming(incoming.document)
    if incoming.document.get("stream_format") not in (None, "audio"):
        raise invalid(
            "This upstream speaks no event streams: leave stream_format out.",
            param="stream_format",
            code="unsupported_parameter",
        )
    body = bodies.meaningful(incoming.document, DROPPED)
    bodies.fill(body, SCHEMA, "model", "voice", "response_format")
    contract.check(body, SCHEMA)
    contract.check_address(body.get("reference_audio"), param="reference_audio")
    if not body["input"].strip():
        raise invalid("input is empty: there is nothing to say.", param="input")
    characters = Units(characters=len(body["input"]))
    wants_json = (
        incoming.query.get("raw") == "json"
        or incoming.accept.split(";")[0].strip().lower() == "application/json"
    )
    content_type = CONTENT_TYPES[body["response_format"]]
    return Call(
        operation=NAME,
        path=PATH,
        model=contract.model_name(body),
        content=contract.write(body),
        most=characters,
        least=characters,
        answer=as_json if wants_json else partial(_speak, content_type),
    )


async def _speak(
    content_type: str, document: Document, headers: Headers
) -> HttpResponseBase:
    """The sound itself. Raises: GatewayError (502) that names its address."""
    url = document.get("audio_url")
    if not isinstance(url, str):
        raise media.unavailable([], "no_url")
    try:
        if url[:5].lower() == "data:":
            sound = await media.fetch(url, bytes_max=settings.MEDIA_BYTES_MAX)
            return HttpResponse(
                sound.content, headers=headers, content_type=content_type
            )
        download = await media.open_url(url, bytes_max=settings.MEDIA_BYTES_MAX)
    except media.MediaError as error:
        raise media.unavailable([url], error.reason) from None
    if download.length is not None:
        headers["content-length"] = str(download.length)
    return StreamingHttpResponse(
        Sound(download), headers=headers, content_type=content_type
    )


class Sound:
    """A download on its way to the client; whoever leaves early closes it.

    No generator function: one that never began would not run its `finally`.
    """

    closing: set[asyncio.Task[None]] = set()  # or they might be forgotten

    def __init__(self, download: media.Download) -> None:
        self._download = download

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._download.chunks()

    def close(self) -> None:
        """Called at the end of the response, whatever the end was."""
        task = asyncio.get_running_loop().create_task(self._download.close())
        self.closing.add(task)
        task.add_done_callback(self.closing.discard)


OPERATION = Operation(NAME, "audio/speech", read)
