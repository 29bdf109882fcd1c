"""What a job's row keeps for its settlement, readable after the next release."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from billing.pricing.rates import Rates, Units
from billing.values.orders import CREDIT, Settle
from proxy.jobs import settlement
from proxy.jobs.looks import Look
from proxy.models import Job

# Rows hold such terms: not to be changed, but by a new version beside them.
TERMS: dict[str, Any] = {
    "rates": {
        "v": 1,
        "operation": "videos",
        "model": "*",
        "base": 0,
        "prompt_token": 0,
        "completion_token": 0,
        "image": 0,
        "web_search": 0,
        "quantum": 1_000_000,
        "completion_tokens_max": 1,
        "character": 0,
        "second": 2_000_000,
        "factors_ppm": {"4k": 2_000_000},
    },
    "least": {
        "v": 1,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "images": 0,
        "web_search": False,
        "characters": 0,
        "media_ms": 5000,
        "options": ["4k"],
    },
    "remembered": {"size": "1280x720"},
}
RATES = Rates(
    operation="videos",
    model="*",
    base_micros=0,
    prompt_token_micros=0,
    completion_token_micros=0,
    image_micros=0,
    web_search_micros=0,
    quantum_micros=CREDIT,
    completion_tokens_max=1,
    second_micros=2 * CREDIT,
    factors={"4k": 2_000_000},
)


def job(terms: dict[str, Any]) -> Job:
    return Job(id=uuid.uuid4(), account_id=7, bound_micros=30 * CREDIT, terms=terms)


def test_stored_terms_are_written_as_ever_and_priced_by() -> None:
    least = Units(media_ms=5000, options=("4k",))
    assert settlement.terms(RATES, least, {"size": "1280x720"}) == TERMS

    order = settlement.resolution(job(TERMS), Look("completed"))
    assert isinstance(order, Settle)
    assert (order.usage.basis, order.usage.cost_micros) == ("estimated", 20 * CREDIT)


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({}, "not an object"),
        (TERMS | {"rates": TERMS["rates"] | {"v": 2}}, "version 2, and only 1"),
        (TERMS | {"least": TERMS["least"] | {"media_ms": "5"}}, "media_ms"),
    ],
)
def test_terms_that_can_not_be_read_say_why(terms: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        settlement.resolution(job(terms), Look("completed"))
