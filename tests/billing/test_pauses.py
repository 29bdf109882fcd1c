"""What the operator bears in a day has a limit: then he has to look."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from billing import bounds, holds
from billing.models import LearnedBound, Pause
from billing.values import errors
from billing.values.orders import CREDIT, Placed, Resolved, Settle
from billing.verification.report import verify
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import Payer, used
from tests.support.ledger.stored import codes_of_errors

DEAR = {"shape": "shared", "model": "dear"}
PLAIN = {"shape": "shared", "model": "plain"}


@pytest.fixture(autouse=True)
def limits(db: None, clock: Clock, settings: Settings) -> None:
    settings.BORNE_MODEL_CREDITS_MAX = 100
    settings.BORNE_ORGANIZATION_CREDITS_MAX = 60


def bear(credits: int, **particulars: Any) -> Payer:
    """Somebody for one of whose calls the operator bore so many credits; his account
    then has ten."""
    customer = Payer.open(credits=10 * CREDIT)
    again(customer, credits, **particulars)
    return customer


def again(customer: Payer, credits: int, **particulars: Any) -> Resolved:
    """Of a call that was held for before anybody knew."""
    LearnedBound.objects.all().delete()
    hold_id = customer.hold(10 * CREDIT, **(DEAR | particulars))
    resolved = customer.settle(hold_id, (10 + credits) * CREDIT)
    assert resolved.absorbed_micros == credits * CREDIT
    customer.grant(10 * CREDIT)
    return resolved


def outcome(customer: Payer, **particulars: Any) -> str:
    LearnedBound.objects.all().delete()
    placed = customer.place(CREDIT, **(DEAR | particulars))
    if isinstance(placed, Placed):
        customer.release(placed.hold_id)
    return type(placed).__name__


def standing() -> list[tuple[int | None, str, int]]:
    rows = Pause.objects.filter(released_at=None).order_by("id")
    return [(row.account_id, row.model, row.borne_micros // CREDIT) for row in rows]


def test_up_to_the_limit_everybody_goes_on() -> None:
    customer = bear(60)
    bear(40)
    assert outcome(customer) == outcome(customer, **PLAIN) == "Placed"
    assert standing() == []


def test_above_it_the_organization_is_refused_and_no_other() -> None:
    customer, stranger = bear(61), bear(1)
    assert standing() == [(customer.account_id, "", 61)]
    assert outcome(customer) == outcome(customer, **PLAIN) == "OrganizationPaused"
    assert outcome(stranger) == "Placed"
    assert codes_of_errors() == []


def test_above_it_the_model_is_refused_for_everybody_and_no_other_model() -> None:
    customer = bear(50)
    bear(51)
    assert standing() == [(None, "dear", 101)]
    assert outcome(customer) == "ModelPaused"
    assert outcome(customer, operation="images.edits") == "Placed"
    assert outcome(customer, **PLAIN) == "Placed"


def test_many_small_ones_add_up_over_organizations_keys_and_hours(
    clock: Clock,
) -> None:
    for _ in range(10):
        bear(10)
    assert standing() == []
    clock.advance(hours=1)
    bear(1)
    assert standing() == [(None, "dear", 101)]


def test_models_that_are_new_each_time_stop_their_organization() -> None:
    customer = bear(10, model="m-0")
    for number in range(1, 6):
        again(customer, 10, model=f"m-{number}")
    assert standing() == []
    again(customer, 10, model="m-6")
    assert standing() == [(customer.account_id, "", 70)]


def test_one_transaction_may_pass_both_limits() -> None:
    customer = Payer.open(credits=40 * CREDIT)
    ids = [customer.hold(10 * CREDIT, **DEAR) for _ in range(4)]
    outcomes = holds.commit(
        [
            *(Settle(each, customer.account_id, used(50 * CREDIT)) for each in ids),
            customer.order(0, **PLAIN),
        ]
    )
    # The first takes what is left; the others' holds are theirs.
    assert standing() == [(customer.account_id, "", 80), (None, "dear", 120)]
    assert isinstance(outcomes[-1], errors.OrganizationPaused)


def test_running_calls_go_on_and_settle() -> None:
    customer = bear(10)
    running = customer.hold(10 * CREDIT, **PLAIN)
    customer.grant(10 * CREDIT)
    again(customer, 60)
    assert outcome(customer) == "OrganizationPaused"
    assert customer.settle(running, 9 * CREDIT).charged_micros == 9 * CREDIT


def test_a_repeated_place_of_a_hold_that_stands_is_no_refusal() -> None:
    customer = Payer.open(credits=30 * CREDIT)
    order = customer.order(5 * CREDIT, **PLAIN)
    holds.commit([order])
    hold_id = customer.hold(10 * CREDIT, **DEAR)
    customer.settle(hold_id, 100 * CREDIT)
    assert standing() == [(customer.account_id, "", 75)]
    [repeat] = holds.commit([order])
    assert isinstance(repeat, Placed)
    assert repeat.repeat


# --- until the operator has looked ----------------------------------------------------


def test_a_pause_outlives_the_day(clock: Clock) -> None:
    customer = bear(61)
    clock.advance(days=3)
    assert outcome(customer) == "OrganizationPaused"


def test_a_day_ends_at_midnight(clock: Clock) -> None:
    customer = bear(40)
    clock.advance(hours=2)  # the clock starts at half past ten in the evening
    again(customer, 40)
    assert standing() == []
    again(customer, 21)
    assert standing() == [(customer.account_id, "", 61)]


def test_released_it_goes_on_and_what_was_borne_does_not_count_again() -> None:
    customer = bear(61)
    bounds.release(Pause.objects.get().id)
    assert outcome(customer) == "Placed"
    again(customer, 30, **PLAIN)
    assert standing() == []
    again(customer, 31, **PLAIN)
    assert standing() == [(customer.account_id, "", 61)]


def test_a_pause_is_released_once() -> None:
    bear(61)
    pause_id = Pause.objects.get().id
    bounds.release(pause_id)
    with pytest.raises(Pause.DoesNotExist):
        bounds.release(pause_id)


def test_the_operator_is_told_at_once_and_by_verification(caplog: Any) -> None:
    with caplog.at_level(logging.ERROR, "billing.ledger.learned"):
        customer = bear(61)
    [record] = caplog.records
    assert f"account {customer.account_id} is paused: 61 credits" in record.getMessage()
    report = verify()
    [finding] = [each for each in report.findings if each.code == "PAUSED"]
    assert report.ok
    assert finding.severity == "warning"
    assert f"account={customer.account_id}" in finding.detail


def test_a_limit_of_nothing_stops_at_the_first_credit(settings: Settings) -> None:
    settings.BORNE_ORGANIZATION_CREDITS_MAX = 0
    customer = bear(1)
    assert standing() == [(customer.account_id, "", 1)]
