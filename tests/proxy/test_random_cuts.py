"""Streams cut at 300 random points, by the client, by the upstream, or by both."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate

import pytest

from billing.models.hold import UNRESOLVED
from tests.support import seeds
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.raw import RawCall
from tests.support.services.gateway import Gateway
from tests.support.upstream import DONE, Upstream, chat_chunk, stream_reply, usage_of

POINTS = 300
AT_ONCE = 24
# Says with every chunk what the call has cost so far: 1, 2, 3 …
EVENTS = [
    *(
        chat_chunk(piece, usage=usage_of(credits))
        for credits, piece in enumerate(("One", " two", " drei €", " four"), start=1)
    ),
    DONE,
]
ENDS = list(accumulate(map(len, EVENTS)))


@dataclass(frozen=True)
class Cut:
    """Where each side stops, in bytes of the body; None: it does not."""

    model: str
    upstream_at: int | None
    client_at: int | None
    pause: float  # seconds before each piece

    @property
    def credits(self) -> int:
        """What the upstream has named, and charges, when it stops."""
        sent = ENDS[-1] if self.upstream_at is None else self.upstream_at
        # Where the stream ends, so does the event: its empty line may be missing.
        return sum(sent >= end - 2 for end in ENDS[:-1])


def drawn(chance: random.Random) -> list[Cut]:

    def point() -> int:
        return chance.randrange(ENDS[-1])

    return [
        Cut(
            model=f"m-{number}",
            upstream_at=point() if sides in ("upstream", "both") else None,
            client_at=point() if sides in ("client", "both") else None,
            pause=chance.choice((0, 0.001, 0.01)),
        )
        for number in range(POINTS)
        for sides in [chance.choice(("client", "upstream", "both"))]
    ]


def perform(gateway: Gateway, customer: Customer, cut: Cut) -> None:
    with RawCall(gateway, customer.secret) as call:
        call.send(model=cut.model, messages=SAY_HI, stream=True)
        if cut.client_at is None:
            assert call.read()
        elif cut.client_at:
            call.read(cut.client_at)
            call.leave(reset=cut.client_at % 2 == 1)


@pytest.mark.once  # the storm does it on both
@pytest.mark.usefixtures("clean_ledger")
def test_wherever_a_stream_is_cut_the_charge_is_the_upstreams(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    cuts = drawn(seeds.drawn("CUTS_SEED"))
    for cut in cuts:
        reply = stream_reply(EVENTS, credits=cut.credits)
        if cut.upstream_at is not None:
            reply = reply.cut_after_bytes(cut.upstream_at)
        upstream.on(model=cut.model, reply=reply.paced(cut.pause))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda cut: perform(live_gateway, customer, cut), cuts))

    holds = customer.wait_over(POINTS)
    charged = {record.model: record.charged_micros for record in customer.records()}
    wrong = [
        cut for cut in cuts if charged.get(cut.model, 0) != cut.credits * 1_000_000
    ]
    assert not wrong
    assert customer.charged_credits() == upstream.total_credits()
    assert not [hold for hold in holds if hold.state in UNRESOLVED]
