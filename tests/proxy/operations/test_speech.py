"""Speech: bytes for the SDKs, JSON for those who ask for it, charged by characters."""

from __future__ import annotations

import http.client
from typing import Any

import openai
import pytest

from billing.values.orders import CREDIT
from tests.support.gateway.customers import Customer
from tests.support.gateway.raw import RawCall
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    Ending,
    Gate,
    ScriptedReply,
    Upstream,
    error_json,
    json_reply,
)
from tests.support.waiting import wait_for

SOUND = b"ID3" + bytes(range(256)) * 40
SAY = {"model": "tts", "input": "Ahoy"}


@pytest.fixture(autouse=True)
def sound(upstream: Upstream) -> ScriptedReply:
    """What lies at the address that the upstream gives."""
    reply = ScriptedReply(steps=(SOUND[:300], SOUND[300:]), content_type="text/html")
    upstream.on(path="/files/speech.mp3", reply=reply)
    return reply


def paths(upstream: Upstream) -> list[str]:
    return [entry.path.removeprefix("/api/v1") for entry in upstream.journal]


def test_the_sdk_gets_the_sound_itself(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    reply = customer.openai(live_gateway).audio.speech.create(
        model="tts",
        voice="alloy",
        input="Ahoy " * 20,
        instructions="Cheerfully.",
        stream_format="audio",
    )

    assert reply.content == SOUND
    assert reply.response.headers["content-type"] == "audio/mpeg"
    assert reply.response.headers["content-length"] == str(len(SOUND))
    assert reply.response.headers["x-ignored-parameters"] == "instructions"
    assert reply.response.headers["x-credits-held"] == "2"  # 100 characters at 0.015
    assert reply.response.headers["x-credits-charged"] == "3"
    said, fetched = upstream.journal
    assert said.body == {
        "model": "tts",
        "voice": "alloy",
        "input": "Ahoy " * 20,
        "response_format": "mp3",
    }
    assert fetched.path == "/files/speech.mp3"
    assert "authorization" not in fetched.headers
    [hold], [record] = customer.holds(), customer.records()
    assert (hold.state, hold.amount_micros) == ("settled", 2 * CREDIT)
    assert (record.operation, record.model) == ("audio.speech", "tts")
    assert customer.charged_credits() == upstream.total_credits() == 3


def test_the_sdk_may_stream_it(live_gateway: Gateway, customer: Customer) -> None:
    speech = customer.openai(live_gateway).audio.speech.with_streaming_response
    with speech.create(voice="echo", **SAY) as reply:  # type: ignore[arg-type]
        assert b"".join(reply.iter_bytes(1000)) == SOUND


@pytest.mark.once
def test_what_is_not_said_is_the_contracts_default(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    customer.http(live_gateway).post("/audio/speech", json={"input": "Ahoy"})

    assert upstream.journal[0].body == {
        "model": "fal-ai/f5-tts",
        "voice": "nova",
        "input": "Ahoy",
        "response_format": "mp3",
    }


@pytest.mark.once
@pytest.mark.parametrize(
    ("wanted", "content_type"),
    [("wav", "audio/wav"), ("opus", "audio/opus"), ("aac", "audio/aac")],
)
def test_the_sound_is_of_the_type_that_was_asked_for(
    live_gateway: Gateway, customer: Customer, wanted: str, content_type: str
) -> None:
    body = {**SAY, "response_format": wanted}
    reply = customer.http(live_gateway).post("/audio/speech", json=body)

    assert (reply.headers["content-type"], reply.content) == (content_type, SOUND)


@pytest.mark.once
def test_a_sound_of_unknown_length_arrives_whole(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, sound: ScriptedReply
) -> None:
    upstream.on(path="speech.mp3", reply=sound.but(framing="chunked"))
    reply = customer.http(live_gateway).post("/audio/speech", json=SAY)

    assert reply.content == SOUND
    assert "content-length" not in reply.headers


@pytest.mark.once
def test_json_is_for_those_who_ask_for_it(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    asked = customer.openai(live_gateway).post(
        "/audio/speech", body=SAY, cast_to=object
    )
    http = customer.http(live_gateway)
    raw = http.post("/audio/speech", params={"raw": "json"}, json=SAY).json()

    for reply in (asked, raw):
        assert isinstance(reply, dict)
        assert reply["audio_url"].endswith("/files/speech.mp3")
        assert reply["usage"]["credits_used"] == 3
    assert paths(upstream) == ["/audio/speech", "/audio/speech"]


def test_a_voice_to_copy_is_passed_on_and_never_fetched(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    reference = {
        "reference_audio": upstream.url.replace("/api/v1", "/files/mine.wav"),
        "reference_text": "Hello",
    }
    customer.openai(live_gateway).audio.speech.create(
        voice="nova",
        extra_body=reference,
        **SAY,  # type: ignore[arg-type]
    )

    assert upstream.journal[0].body.items() >= reference.items()
    assert paths(upstream) == ["/audio/speech", "/files/speech.mp3"]


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"voice": "marin"}, "voice", "alloy, echo, fable, onyx, nova, shimmer"),
        ({"voice": {"id": "voice_1"}}, "voice", "string"),
        ({"response_format": "flac"}, "response_format", "mp3, wav, opus, aac"),
        ({"response_format": "pcm"}, "response_format", "mp3, wav, opus, aac"),
        ({"stream_format": "sse"}, "stream_format", "leave"),
        ({"stream": True}, "stream", "not supported"),
        ({"input": ""}, "input", "empty"),
        ({"input": " \n"}, "input", "empty"),
        ({"input": "x" * 10_001}, "input", "10000"),
        ({"input": None}, None, "input"),
        ({"input": ["Ahoy"]}, "input", ""),
        ({"speed": 5}, "speed", "4"),
        ({"reference_audio": "file:///etc/passwd"}, "reference_audio", "http"),
    ],
)
def test_what_cannot_be_had_is_refused_before_any_hold(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    fields: dict[str, Any],
    param: str | None,
    words: str,
) -> None:
    body = {**SAY, **fields}
    reply = customer.http(live_gateway).post("/audio/speech", json=body)

    assert_refusal(reply, 400, reply.json()["error"]["code"])
    assert reply.json()["error"]["param"] == param
    assert words in reply.json()["error"]["message"]
    assert_nothing_happened(customer, upstream)


@pytest.mark.parametrize(
    ("characters", "credits"), [(1, 1), (66, 1), (67, 2), (10_000, 150)]
)
def test_without_the_upstreams_word_the_characters_are_charged(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    characters: int,
    credits: int,
) -> None:
    url = upstream.url.replace("/api/v1", "/files/speech.mp3")
    upstream.on(model="tts", reply=json_reply({"audio_url": url}))
    body = {"model": "tts", "input": "ß" * characters}
    reply = customer.http(live_gateway).post("/audio/speech", json=body)

    assert reply.content == SOUND
    [hold], [record] = customer.holds(), customer.records()
    assert hold.amount_micros == record.charged_micros == credits * CREDIT
    assert record.basis == "estimated"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (error_json(404), "status_404"),
        (ScriptedReply(before=(Ending.CUT,)), "unreachable"),
        (
            ScriptedReply(status=302, headers={"location": "/api/v1/models"}),
            "status_302",
        ),
    ],
)
def test_sound_that_cannot_be_had_is_charged_once_and_its_address_named(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    reply: ScriptedReply,
    reason: str,
) -> None:
    upstream.on(path="/files/speech.mp3", reply=reply)
    speech = customer.openai(live_gateway, max_retries=2).audio.speech
    with pytest.raises(openai.InternalServerError) as failed:
        speech.create(voice="nova", **SAY)  # type: ignore[arg-type]

    error = failed.value
    assert (error.status_code, error.code) == (502, "media_unavailable")
    assert "charged" in error.message
    assert isinstance(error.body, dict)
    assert error.body["metadata"]["reason"] == reason
    assert error.body["metadata"]["urls"][0].endswith("/files/speech.mp3")
    assert error.response.headers["x-credits-charged"] == "3"
    assert paths(upstream).count("/audio/speech") == 1
    assert customer.charged_credits() == upstream.total_credits() == 3


@pytest.mark.once
@pytest.mark.parametrize("url", [None, 7, "file:///etc/passwd", "http://10.0.0.1/x"])
def test_an_address_that_may_not_be_followed_is_not(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, url: Any
) -> None:
    upstream.on(model="tts", reply=json_reply({"audio_url": url}, credits=1))
    reply = customer.http(live_gateway).post("/audio/speech", json=SAY)

    assert_refusal(reply, 502, "media_unavailable")
    assert paths(upstream) == ["/audio/speech"]
    assert [hold.state for hold in customer.holds()] == ["settled"]


def test_a_client_that_leaves_the_sound_has_paid_and_its_download_ends(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, sound: ScriptedReply
) -> None:
    upstream.on(path="/files/speech.mp3", reply=sound.after_events(1, Gate()))
    call = RawCall(live_gateway, customer.secret, "/v1/audio/speech").send(**SAY)
    assert call.read(300) == SOUND[:300]
    assert customer.charged_credits() == 3  # before it left
    call.leave()

    upstream.journal.wait_finished(2)
    assert upstream.journal[1].state == "client_gone"
    assert customer.charged_credits() == upstream.total_credits() == 3


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_sound_that_is_cut_ends_in_a_broken_connection(
    quiet_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    sound: ScriptedReply,
    framing: Any,
) -> None:
    cut = sound.but(framing=framing).cut_after_events(1)
    upstream.on(path="/files/speech.mp3", reply=cut)
    before = len(quiet_gateway.log_text())
    call = RawCall(quiet_gateway, customer.secret, "/v1/audio/speech").send(**SAY)

    with pytest.raises(http.client.IncompleteRead):
        call.read()
    call.leave()
    assert customer.charged_credits() == 3
    line = "an answer was cut off: a file of the upstream's: cut"
    wait_for(lambda: line in quiet_gateway.log_text()[before:])
    assert "Traceback" not in quiet_gateway.log_text()[before:]
