"""An upstream that breaks off its stream is paid what it last named, or an estimate."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

import openai
import pytest
from django.conf import settings

from billing.models import UsageRecord
from billing.values.orders import CREDIT
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.services.environment import UPSTREAM_API_KEY
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    DONE,
    Ending,
    Upstream,
    chat_chunk,
    chat_stream,
    sse,
    stream_reply,
    usage_of,
)
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.usefixtures("clean_ledger"), pytest.mark.once]

PIECES = ("Ahoy", " there,", " Grüße", " all")
# Says with every chunk what the call has cost so far: 1, 2, 3 …
CUMULATIVE = [
    chat_chunk(piece, usage=usage_of(credits))
    for credits, piece in enumerate(PIECES, start=1)
]
UNNAMED = [chat_chunk(piece * 40) for piece in PIECES]


def offsets_of(events: Sequence[bytes]) -> list[int]:
    """Every boundary between events, and points within each of them."""
    ends = list(accumulate(map(len, events)))
    inside = [end - back for end in ends for back in (1, 2, 3, 80)]
    return sorted({0, 1, *inside, *ends})


def whole_events(events: Sequence[bytes], offset: int) -> int:
    """How many events' data is complete within that many bytes. The empty line after
    it may be missing: where the stream ends, so does the event."""
    return sum(offset >= end - 2 for end in accumulate(map(len, events)))


def call_all(
    gateway: Gateway, customer: Customer, models: Sequence[str]
) -> list[bytes]:
    """All at the same time; what each client read."""
    customer.http(gateway)  # made once, not by every thread
    with ThreadPoolExecutor(len(models)) as pool:
        replies = pool.map(
            lambda model: customer.chat(gateway, model, stream=True), models
        )
        return [reply.content for reply in replies]


def records_of(customer: Customer) -> dict[str, UsageRecord]:
    return {record.model: record for record in customer.records()}


def test_a_cut_stream_costs_what_the_upstream_last_named(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    offsets = offsets_of(CUMULATIVE)
    for offset in offsets:
        credits = whole_events(CUMULATIVE, offset)
        reply = stream_reply(CUMULATIVE, credits=credits).cut_after_bytes(offset)
        upstream.on(model=f"m-{offset}", reply=reply)
    answers = call_all(live_gateway, customer, [f"m-{offset}" for offset in offsets])

    customer.wait_over(len(offsets))
    found = records_of(customer)
    for offset, answer in zip(offsets, answers, strict=True):
        credits, record = whole_events(CUMULATIVE, offset), found[f"m-{offset}"]
        assert record.charged_micros == credits * CREDIT, offset
        assert record.basis == ("upstream" if credits else "in_doubt")
        assert record.flags == "upstream_cut"
        handed_on = answer.partition(b'data: {"error"')[0]
        assert b"".join(CUMULATIVE).startswith(handed_on)
        assert b'"code":"upstream_ambiguous"' in answer
        assert DONE not in answer
    assert customer.charged_credits() == upstream.total_credits()


def test_a_cut_stream_without_usage_costs_what_was_delivered(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    offsets = offsets_of(UNNAMED)
    for offset in offsets:
        reply = stream_reply(UNNAMED, credits=9).cut_after_bytes(offset)
        upstream.on(model=f"m-{offset}", reply=reply)
    call_all(live_gateway, customer, [f"m-{offset}" for offset in offsets])

    holds = {hold.model: hold for hold in customer.wait_over(len(offsets))}
    charges = []
    for offset in offsets:
        record, hold = records_of(customer)[f"m-{offset}"], holds[f"m-{offset}"]
        is_delivered = whole_events(UNNAMED, offset) > 0
        assert record.flags == "upstream_cut"
        assert record.basis == ("estimated" if is_delivered else "in_doubt"), offset
        assert hold.state == ("settled" if is_delivered else "released")
        assert 0 <= record.charged_micros <= hold.amount_micros
        assert (record.charged_micros > 0) == is_delivered
        charges.append(record.charged_micros)
    assert charges == sorted(charges)  # more delivered never costs less


def test_a_reset_stream_ends_as_a_cut_one(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    reply = stream_reply(CUMULATIVE, credits=2).after_events(2, Ending.RESET)
    upstream.on(model="m", reply=reply)
    customer.chat(live_gateway, "m", stream=True)

    [record] = customer.wait_records()
    # The reset may overtake what was sent before it.
    assert 0 <= record.charged_micros <= 2 * CREDIT
    assert record.flags == "upstream_cut"


def test_a_stream_that_falls_silent_is_given_up(
    impatient_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    for count in range(len(PIECES)):
        silent = stream_reply(CUMULATIVE, credits=count).stall_after_events(count)
        upstream.on(model=f"m-{count}", reply=silent)
    models = [f"m-{count}" for count in range(len(PIECES))]
    answers = call_all(impatient_gateway, customer, models)

    assert all(b"(upstream_timeout)" in answer for answer in answers)
    customer.wait_over(len(PIECES))
    assert customer.charged_credits() == upstream.total_credits() == 0 + 1 + 2 + 3
    records = records_of(customer)
    assert {record.flags for record in records.values()} == {"upstream_timeout"}
    assert records["m-0"].basis == "in_doubt"


@pytest.mark.once
def test_the_sdk_raises_where_the_stream_broke_off(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=stream_reply(CUMULATIVE).cut_after_events(2))
    sdk = customer.openai(live_gateway, max_retries=2)
    stream = sdk.chat.completions.create(model="m", messages=SAY_HI, stream=True)

    read: list[str | None] = []
    with pytest.raises(openai.APIError) as broken:
        read.extend(chunk.choices[0].delta.content for chunk in stream)
    assert broken.value.code == "upstream_ambiguous"
    assert len(upstream.journal) == 1


@pytest.mark.once
@pytest.mark.parametrize("done", [True, False])
def test_a_stream_that_ends_well_needs_no_done(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, done: bool
) -> None:
    late = [chat_chunk("after the end", usage=usage_of(99))] if done else []
    reply = chat_stream(credits=4, done=done)
    reply = reply.but(steps=(*reply.steps, *late))
    upstream.on(model="m", reply=reply)
    content = customer.chat(live_gateway, "m", stream=True).content

    assert content.endswith(DONE)
    assert content.count(DONE) == 1
    assert b"after the end" not in content
    assert [record.flags for record in customer.records()] == [""]
    assert customer.charged_credits() == 4


@pytest.mark.parametrize("ending", [Ending.CUT, Ending.STALL])
def test_nothing_that_happens_after_done_is_waited_for(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, ending: Ending
) -> None:
    reply = chat_stream(credits=4)
    upstream.on(model="m", reply=reply.after_events(len(reply.steps), ending))
    content = customer.chat(live_gateway, "m", stream=True).content

    # The client's patience is shorter than what the upstream is given to stay silent.
    assert PATIENCE_SECONDS < settings.UPSTREAM_IDLE_SECONDS
    assert content.endswith(DONE)
    [record] = customer.records()
    assert (record.charged_micros, record.flags) == (4 * CREDIT, "")


def test_credits_that_shrink_are_charged_as_last_named_and_remarked_once(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    events = [chat_chunk("a", usage=usage_of(credits)) for credits in range(60, 2, -1)]
    events.append(chat_chunk("b", usage=usage_of(-1)))  # not valid: not the last word
    upstream.on(model="m", reply=stream_reply([*events, DONE], credits=3))
    customer.chat(live_gateway, "m", stream=True)

    [record] = customer.wait_records()
    assert customer.charged_credits() == upstream.total_credits() == 3
    assert record.flags == "usage_decreased"


@pytest.mark.once
def test_an_error_within_a_stream_is_handed_on_without_the_upstreams_key(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    error = sse({"error": {"message": f"key {UPSTREAM_API_KEY} is over its limit"}})
    upstream.on(model="m", reply=stream_reply([chat_chunk("a"), error]).split(5))
    content = customer.chat(live_gateway, "m", stream=True).content

    assert b"is over its limit" in content
    assert UPSTREAM_API_KEY.encode() not in content
