"""Speech: clients get the sound itself, the upstream answers with its address."""

from __future__ import annotations

from functools import partial

from django.http.response import HttpResponseBase

from billing.pricing.rates import Units
from proxy.calls.call import Call, Document, Headers, Incoming, Operation, as_json
from proxy.http import refusals
from proxy.operations import bodies
from proxy.upstream import contract
from proxy.upstream.deliveries import deliver

NAME = "audio.speech"
PATH = "/audio/speech"
SCHEMA = "TextToSpeechRequest"
IGNORED = ("instructions",)
DROPPED = (*IGNORED, "stream_format", "stream")


def read(incoming: Incoming) -> Call:
    """The call that a request body asks for, bounded in characters: those of its text.

    Raises: GatewayError (400) for a stream of events, an empty text, a
    `reference_audio` that is no address, and for what the contract forbids.
    """
    bodies.refuse_streaming(incoming.document)
    if incoming.document.get("stream_format") not in (None, "audio"):
        raise refusals.unsupported_parameter(
            "This upstream sends no event streams: leave stream_format out.",
            param="stream_format",
        )
    body = bodies.meaningful(incoming.document, DROPPED)
    bodies.fill(body, SCHEMA, "model", "voice", "response_format")
    contract.check(body, SCHEMA)
    bodies.check_addresses(body, "reference_audio")
    if not body["input"].strip():
        raise refusals.invalid(
            "input is empty: there is nothing to say.", param="input"
        )
    characters = Units(characters=len(body["input"]))
    wants_json = (
        incoming.query.get("raw") == "json"
        or incoming.accept.split(";")[0].strip().lower() == "application/json"
    )
    sound: str = body["response_format"]
    content_type = "audio/mpeg" if sound == "mp3" else f"audio/{sound}"
    return Call(
        operation=NAME,
        path=PATH,
        model=contract.model_name(body),
        content=contract.write(body),
        most=characters,
        least=characters,
        traits=bodies.traits(body, SCHEMA, "reference_audio"),
        ignored=bodies.ignored(incoming.document, IGNORED),
        answer=as_json if wants_json else partial(_speak, content_type),
    )


async def _speak(
    content_type: str, document: Document, headers: Headers
) -> HttpResponseBase:
    """The sound itself. Raises: GatewayError (502) that names its address."""
    return await deliver(document.get("audio_url"), headers, content_type=content_type)


OPERATION = Operation(NAME, "audio/speech", read)
