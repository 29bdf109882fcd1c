"""Transcriptions: how much is held, what is charged without the upstream's word, and
what is refused before either."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from billing.values.orders import CREDIT
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, json_reply

PATH = "/audio/transcriptions"


def send(
    gateway: Gateway, customer: Customer, size: int = 100_000, **fields: Any
) -> httpx.Response:
    """An upload of this many bytes."""
    files = {"file": ("a.mp3", b"x" * size)}
    return customer.http(gateway).post(PATH, files=files, data={"model": "w", **fields})


@pytest.mark.parametrize(
    ("size", "credits"), [(1, 1), (9_999, 1), (10_000, 1), (10_001, 2), (999_999, 100)]
)
def test_every_kilobyte_may_be_a_second(
    live_gateway: Gateway, customer: Customer, size: int, credits: int
) -> None:
    assert send(live_gateway, customer, size).status_code == 200

    [hold] = customer.wait_over()
    assert hold.amount_micros == credits * CREDIT


def test_a_short_length_in_the_files_own_header_holds_no_less(
    live_gateway: Gateway, customer: Customer
) -> None:
    claim = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80>\0\0\0}\0\0\2\0\x10\0data"
    files = {"file": ("a.wav", claim + bytes(4) + bytes(100_000))}
    customer.http(live_gateway).post(PATH, files=files).raise_for_status()

    assert customer.wait_over()[0].amount_micros == 11 * CREDIT


@pytest.mark.parametrize(
    ("document", "credits", "seconds"),
    [
        ({"duration": 61.5}, 7, 61.5),
        ({"duration": 90, "segments": [{"start": 0, "end": 5, "text": "x"}]}, 9, 90),
        ({"segments": [{"start": 0, "end": 25, "text": "x"}]}, 3, 25),
        ({"duration": "90", "segments": [{"start": 0, "end": 25, "text": "x"}]}, 3, 25),
        ({"duration": -1}, 1, 6.25),  # 100,000 bytes are surely 6 s
        ({"duration": 0, "segments": []}, 1, 6.25),
        ({"duration": 10**9}, 1, 6.25),
        ({"duration": 1_000_000}, 10, 1_000_000),  # never above the hold
        ({"usage": {"type": None, "seconds": "7"}}, 1, 6.25),
        ({"usage": {"type": "tokens", "input_tokens": 7}}, 1, 6.25),
    ],
)
def test_without_the_upstreams_word_the_length_is_charged(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    document: dict[str, Any],
    credits: int,
    seconds: float,
) -> None:
    upstream.on(model="w", reply=json_reply({"text": "x", **document}))
    usage = send(live_gateway, customer).json()["usage"]

    assert usage["credits_used"] == credits
    # The SDKs' type of it promises both.
    assert (usage["type"], usage["seconds"]) == ("duration", seconds)
    [record] = customer.wait_records()
    assert (record.basis, record.charged_micros) == ("estimated", credits * CREDIT)


def test_the_longest_recording_behind_an_address_is_a_setting(
    gateway: GatewayFactory, customer: Customer
) -> None:
    own = gateway(TRANSCRIPTION_URL_SECONDS_MAX=50)
    body = {"file": "https://example.com/a.wav"}
    customer.http(own).post(PATH, json=body).raise_for_status()

    assert customer.wait_over()[0].amount_micros == 5 * CREDIT


def test_who_cannot_pay_for_the_longest_is_refused(
    live_gateway: Gateway, upstream: Upstream, customers: Any
) -> None:
    poor = customers(credits=359)
    body = {"file": "https://example.com/a.wav"}
    assert poor.http(live_gateway).post(PATH, json=body).status_code == 402
    assert len(upstream.journal) == 0


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"stream": "true"}, "stream", "not supported"),
        ({"response_format": "xml"}, "response_format", "json, text, srt, vtt, verbo"),
        ({"timestamp_granularities[]": ["letter"]}, "timestamp_granularities.0", "wo"),
        ({"diarization": "perhaps"}, "diarization", "boolean"),
        ({"size": 0}, "file", "empty"),
        ({"model": ""}, "model", "printable"),
    ],
)
@pytest.mark.parametrize("path", [PATH, "/audio/translations"])
def test_a_form_that_is_wrong_is_refused_before_any_hold(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    path: str,
    fields: dict[str, Any],
    param: str,
    words: str,
) -> None:
    fields = dict(fields)
    files = {"file": ("a.mp3", b"x" * fields.pop("size", 100))}
    reply = customer.http(live_gateway).post(path, files=files, data=fields)

    assert_refusal(reply, 400, reply.json()["error"]["code"])
    assert reply.json()["error"]["param"] == param
    assert words in reply.json()["error"]["message"]
    assert_nothing_happened(customer, upstream)


@pytest.mark.parametrize(
    "file",
    [
        *(None, 7, "", "ftp://x/a.wav", "not base64!", "QUJ", "/etc/passwd", ["QUJD"]),
        *("data:audio/wav,abc", "data:audio/wav;base64,", "data:;base64,???"),
        "https://x/" + "a" * 9000,
    ],
)
def test_json_without_a_recording_is_refused_before_any_hold(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, file: Any
) -> None:
    reply = customer.http(live_gateway).post(PATH, json={"file": file})

    assert_refusal(reply, 400, "invalid_request")
    assert reply.json()["error"]["param"] == "file"
    assert_nothing_happened(customer, upstream)


def test_two_recordings_or_none_are_refused(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    part = ("file", ("a.mp3", b"x"))
    for files in ([part, part], [("other", ("a.mp3", b"x"))]):
        reply = customer.http(live_gateway).post(PATH, files=files)
        assert_refusal(reply, 400, "invalid_request")
        assert reply.json()["error"]["param"] == "file"
    assert_nothing_happened(customer, upstream)


def test_the_sdks_stream_is_refused_before_any_hold(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    transcriptions = customer.openai(live_gateway).audio.transcriptions
    with pytest.raises(openai.BadRequestError) as refused:
        transcriptions.create(model="w", file=("a.mp3", b"x"), stream=True)

    assert (refused.value.code, refused.value.param) == (
        "unsupported_parameter",
        "stream",
    )
    assert_nothing_happened(customer, upstream)


def test_a_recording_over_the_limit_is_refused(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    own = gateway(GATEWAY_UPLOAD_BYTES_MAX=50_000)
    assert_refusal(send(own, customer), 413, "request_too_large")
    assert_nothing_happened(customer, upstream)
