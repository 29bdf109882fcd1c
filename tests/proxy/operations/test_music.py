"""Music: what is held for it, and how the upstream is asked."""

from __future__ import annotations

from typing import Any

import pytest

from billing.values.orders import CREDIT
from proxy.calls.call import Incoming
from proxy.operations import music
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, error_json

PATH = "/music/generations"
SECOND = 2  # credits, by the tariff


@pytest.mark.parametrize(
    ("fields", "credits"),
    [
        ({}, 30 * SECOND),
        ({"duration_seconds": 47}, 47 * SECOND),
        ({"duration_seconds": 1.5, "output_format": "wav"}, 3),
        ({"duration_seconds": 1.51, "source_audio": None}, 4),
    ],
)
def test_its_length_is_held(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    fields: dict[str, Any],
    credits: int,
) -> None:
    upstream.on(path=PATH, reply=error_json(400))
    customer.http(live_gateway).post(PATH, json={"prompt": "a song", **fields})

    [entry], [hold] = upstream.journal, customer.wait_over()
    assert (hold.amount_micros, hold.state) == (credits * CREDIT, "released")
    assert entry.query == {"async": ["true"]}
    assert entry.body == {
        "prompt": "a song",
        "model": "fal-ai/stable-audio",
        "duration_seconds": 30,
        **{name: value for name, value in fields.items() if value is not None},
    }


@pytest.mark.parametrize(
    ("query", "mode"), [({}, "job"), ({"async": "false"}, "awaited")]
)
def test_async_decides_who_waits(query: dict[str, str], mode: str) -> None:
    call = music.read(Incoming({"prompt": "a song"}, query))

    assert (call.mode, call.path) == (mode, f"{PATH}?async=true")


@pytest.mark.once
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"duration_seconds": 48}, "duration_seconds"),
        ({"duration_seconds": 0}, "duration_seconds"),
        ({"output_format": "flac"}, "output_format"),
        ({"source_audio": "ftp://a/b"}, "source_audio"),
        ({"stream": True}, "stream"),
    ],
)
def test_what_the_upstream_cannot_do_is_refused(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    fields: dict[str, Any],
    param: str,
) -> None:
    reply = customer.http(live_gateway).post(PATH, json={"prompt": "a", **fields})

    assert_refusal(reply, 400, reply.json()["error"]["code"])
    assert reply.json()["error"]["param"] == param
    assert_nothing_happened(customer, upstream)
