"""Transcriptions: uploads and the contract's own JSON, answered in every format."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from billing.values.orders import CREDIT
from tests.support.gateway.customers import Customer
from tests.support.services.gateway import Gateway
from tests.support.upstream import ScriptedReply, Upstream, json_reply

RECORDING = b"RIFF" + bytes(range(256)) * 1000  # 256,004 bytes
FILE = ("hello.wav", RECORDING)
ENCODED = base64.b64encode(RECORDING).decode()
USAGE = {"type": "duration", "seconds": 3.5, "credits_used": 2}
HEARD: dict[str, Any] = {
    "text": "Hello wide world",
    "segments": [
        {"start": 0, "end": 1.25, "text": " Hello", "speaker": "A"},
        {"start": 1.25, "end": 3.4996, "text": " wide world", "speaker": "B"},
    ],
    "words": [{"word": "Hello", "start": 0.1, "end": 0.9}],
    "language": "en",
    "duration": 3.5,
    "model": "whisper",
    "usage": {"credits_used": 2},
}


@pytest.fixture(autouse=True)
def heard(upstream: Upstream) -> ScriptedReply:
    """What the upstream answers."""
    reply = json_reply(HEARD, credits=2)
    upstream.on(model="w", reply=reply)
    return reply


def native(gateway: Gateway, customer: Customer, **fields: Any) -> Any:
    body = {"model": "w", "file": ENCODED, **fields}
    return customer.http(gateway).post("/audio/transcriptions", json=body)


def test_the_sdks_upload_goes_up_as_json_and_comes_back_as_text(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    raw = customer.openai(live_gateway).audio.transcriptions.with_raw_response.create(
        model="w",
        file=FILE,
        language="en",
        prompt="A greeting.",
        temperature=0.2,
        include=["logprobs"],
        chunking_strategy="auto",
        timestamp_granularities=["word", "segment"],
        extra_body={"diarization": True, "user": "me"},
    )

    assert raw.parse().to_dict() == {"text": "Hello wide world", "usage": USAGE}
    assert raw.headers["x-ignored-parameters"] == "temperature, prompt, include"
    [entry] = upstream.journal
    assert entry.headers["content-type"] == "application/json"
    assert entry.body == {
        "model": "w",
        "file": ENCODED,
        "language": "en",
        "response_format": "json",
        "timestamp_granularities": ["word", "segment"],
        "diarization": True,
    }
    [hold], [record] = customer.wait_over(), customer.records()
    # 256,004 bytes are at most 256.004 s, at 0.1 credits each.
    assert (hold.state, hold.amount_micros) == ("settled", 26 * CREDIT)
    assert (record.operation, record.model) == ("audio.transcriptions", "w")
    assert customer.charged_credits() == upstream.total_credits() == 2


@pytest.mark.parametrize(
    ("wanted", "content_type", "text"),
    [
        ("text", "text/plain", "Hello wide world\n"),
        (
            "srt",
            "text/plain",
            "1\n00:00:00,000 --> 00:00:01,250\nA: Hello\n\n"
            "2\n00:00:01,250 --> 00:00:03,500\nB: wide world\n",
        ),
        (
            "vtt",
            "text/vtt",
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\n<v A>Hello\n\n"
            "00:00:01.250 --> 00:00:03.500\n<v B>wide world\n",
        ),
    ],
)
def test_text_formats_are_text(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    wanted: Any,
    content_type: str,
    text: str,
) -> None:
    transcriptions = customer.openai(live_gateway).audio.transcriptions
    said = transcriptions.with_raw_response.create(
        model="w", file=FILE, response_format=wanted
    )

    assert said.parse() == text
    assert said.headers["content-type"] == f"{content_type}; charset=utf-8"
    assert said.headers["x-credits-charged"] == "2"
    assert native(live_gateway, customer, response_format=wanted).text == text
    for entry in upstream.journal:
        assert entry.body["response_format"] == "json"
    assert customer.charged_credits() == upstream.total_credits() == 4


def test_verbose_json_is_what_the_sdk_expects(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    reply = customer.openai(live_gateway).audio.transcriptions.create(
        model="w",
        file=FILE,
        response_format="verbose_json",
        timestamp_granularities=["word"],
    )

    assert (reply.language, reply.duration, reply.text) == ("en", 3.5, HEARD["text"])
    assert reply.segments is not None
    assert reply.words is not None
    assert [(each.id, each.start, each.end, each.text) for each in reply.segments] == [
        (0, 0.0, 1.25, " Hello"),
        (1, 1.25, 3.5, " wide world"),
    ]
    # Fields that only the model behind OpenAI's own knows: there, and neutral.
    assert (reply.segments[0].seek, reply.segments[0].tokens) == (0, [])
    assert reply.segments[0].avg_logprob == reply.segments[0].no_speech_prob == 0
    assert [(each.word, each.start) for each in reply.words] == [("Hello", 0.1)]
    assert reply.usage is not None
    assert reply.usage.to_dict() == USAGE
    # Segments are needed for it, whatever was asked.
    assert upstream.journal[0].body["timestamp_granularities"] == ["segment", "word"]


def test_litellm_always_asks_verbose_json_and_says_nothing_of_times(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    reply = customer.openai(live_gateway).audio.transcriptions.create(
        model="w", file=FILE, response_format="verbose_json"
    )

    assert reply.words is None
    assert "timestamp_granularities" not in upstream.journal[0].body
    assert reply.to_dict()["task"] == "transcribe"


def test_diarized_json_names_the_speakers(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    reply = customer.openai(live_gateway).audio.transcriptions.create(
        model="w", file=FILE, response_format="diarized_json"
    )

    assert [(each.id, each.speaker, each.text) for each in reply.segments] == [
        ("seg_0", "A", " Hello"),
        ("seg_1", "B", " wide world"),
    ]
    assert reply.segments[0].type == "transcript.text.segment"
    assert upstream.journal[0].body["diarization"] is True


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("wanted", ["json", "text", "srt", "verbose_json"])
def test_translations_are_transcriptions_into_english(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, wanted: Any
) -> None:
    reply = customer.openai(live_gateway).audio.translations.create(
        model="w", file=FILE, response_format=wanted
    )

    shown = reply if isinstance(reply, str) else reply.text
    assert "wide world" in shown
    if wanted == "verbose_json":
        assert reply.to_dict()["task"] == "translate"
        assert reply.language == "english"  # which OpenAI's always is
        assert reply.segments[1].text == " wide world"
    [entry], [record] = upstream.journal, customer.records()
    assert entry.path.endswith("/audio/transcriptions")
    assert entry.body["translation"] is True
    assert (record.operation, record.charged_micros) == (
        "audio.transcriptions",
        2 * CREDIT,
    )


@pytest.mark.parametrize(
    "file",
    [
        "https://example.com/hello.wav",
        f"data:audio/wav;base64,{ENCODED}",
        ENCODED,
    ],
)
def test_the_contracts_own_json_gets_the_contracts_own_reply(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, file: str
) -> None:
    reply = native(live_gateway, customer, file=file, diarization=True)

    assert reply.json() == {**HEARD, "usage": USAGE}
    assert upstream.journal[0].body == {
        "model": "w",
        "file": file,
        "diarization": True,
        "response_format": "json",
    }
    assert len(upstream.journal) == 1  # we never fetch a client's address
    [hold] = customer.wait_over()
    seconds = 3600 if file.startswith("https") else 256.004
    assert hold.amount_micros == -(-seconds // 10) * CREDIT


@pytest.mark.once
def test_a_form_may_hold_an_address(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    fields = {"file": "https://example.com/a.wav", "model": "w", "translation": "true"}
    http = customer.http(live_gateway)
    parts = {name: (None, value) for name, value in fields.items()}
    reply = http.post("/audio/transcriptions", files=parts)

    assert reply.json()["text"] == HEARD["text"]
    expected = {**fields, "translation": True, "response_format": "json"}
    assert upstream.journal[0].body == expected


@pytest.mark.once
def test_the_model_is_the_contracts_default(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    http = customer.http(live_gateway)
    http.post("/audio/transcriptions", files={"file": FILE}).raise_for_status()

    assert json.loads(upstream.journal[0].raw_body)["model"] == "fal-ai/whisper"


@pytest.mark.once
def test_objects_that_a_form_says_field_by_field_stay_here_too(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    customer.openai(live_gateway).audio.transcriptions.create(
        model="w",
        file=FILE,
        chunking_strategy={"type": "server_vad", "threshold": 0.5},
        extra_body={"metadata": {"topic": "private"}},
    )

    [entry] = upstream.journal
    assert entry.body == {"model": "w", "file": ENCODED, "response_format": "json"}
