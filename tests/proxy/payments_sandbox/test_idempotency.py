"""A repeated request gets the first answer; another one with its key is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from tests.support.payments_sandbox import Stripe

pytestmark = pytest.mark.once

WISH: Any = {"amount": 900, "currency": "eur", "confirm": True}
GOOD: Any = {**WISH, "payment_method": "pm_card_visa"}
BAD: Any = {**WISH, "payment_method": "pm_card_chargeDeclined"}
KEYED: Any = {"idempotency_key": "topup-1-attempt-1"}


def test_the_first_answer_is_given_again(shop: Stripe) -> None:
    first = shop.v1.payment_intents.create(GOOD, KEYED)
    shop.v1.payment_intents.create(GOOD, {"idempotency_key": "another"})
    again = shop.v1.payment_intents.create(GOOD, KEYED)
    assert again.id == first.id
    assert again.last_response
    assert first.last_response
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert again.last_response.body == first.last_response.body
    assert shop.taken() == {"eur": 1800}


def test_so_is_a_decline(shop: Stripe) -> None:
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            shop.v1.payment_intents.create(BAD, KEYED)
    assert len(shop.v1.payment_intents.list().data) == 1


OTHERS: Any = [GOOD | {"amount": 901}, BAD]


@pytest.mark.parametrize("other", OTHERS)
def test_other_parameters_are_an_error(shop: Stripe, other: Any) -> None:
    shop.v1.payment_intents.create(GOOD, KEYED)
    with pytest.raises(stripe.IdempotencyError) as refused:
        shop.v1.payment_intents.create(other, KEYED)
    assert refused.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError):
        shop.v1.customers.create({"email": "ann@example.com"}, KEYED)
    assert shop.taken() == {"eur": 900}


def test_wrong_parameters_leave_the_key_unused(shop: Stripe) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.payment_intents.create(GOOD | {"amount": 1}, KEYED)
    assert shop.v1.payment_intents.create(GOOD, KEYED).status == "succeeded"


def test_a_key_is_forgotten_after_a_day(shop: Stripe) -> None:
    first = shop.v1.payment_intents.create(GOOD, KEYED)
    shop.state.advance(24 * 3600 + 1)
    assert shop.v1.payment_intents.create(GOOD, KEYED).id != first.id


def test_eight_at_once_are_one(shop: Stripe) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(
                lambda _: shop.client().v1.payment_intents.create(GOOD, KEYED).id,
                range(8),
            )
        )
    assert len(set(made)) == 1
    assert shop.taken() == {"eur": 900}


@pytest.mark.parametrize("kind", ["500", "done-then-500", "done-then-cut", "cut"])
def test_the_sdks_own_retry_is_one_payment(shop: Stripe, kind: str) -> None:
    shop.sandbox.faults.plan(kind, "payment_intents")
    client = shop.client(retries=2)
    made = client.v1.payment_intents.create(GOOD)  # the SDK makes up a key
    assert made.status == "succeeded"
    assert shop.taken() == {"eur": 900}


def test_a_cut_without_a_retry_may_have_been_paid(shop: Stripe) -> None:
    shop.sandbox.faults.plan("done-then-cut", "payment_intents")
    with pytest.raises(stripe.APIConnectionError):
        shop.v1.payment_intents.create(GOOD, KEYED)
    assert shop.taken() == {"eur": 900}
    assert shop.v1.payment_intents.create(GOOD, KEYED).status == "succeeded"
    assert shop.taken() == {"eur": 900}


def test_a_wrong_key_is_refused(shop: Stripe) -> None:
    with pytest.raises(stripe.AuthenticationError):
        shop.client("sk_test_of_somebody_else").v1.customers.list()
