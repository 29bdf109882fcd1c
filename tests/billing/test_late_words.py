"""What is said of a call after its end changes nothing, and is never lost."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from billing import holds, leases
from billing.models import Correction, Hold
from billing.values.orders import Entrust, Release, Settle
from billing.verification.report import verify
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer, used, wrong_in_the_ledger

HOUR = timedelta(hours=1)


def words(hold_id: str) -> list[tuple[int | None, str]]:
    """What waits for the operator: prices, and on what authority."""
    found = Correction.objects.filter(hold_id=hold_id, state="pending")
    return list(found.order_by("noted_at", "id").values_list("said_micros", "basis"))


def closed_doubt(customer: Payer) -> str:
    """A call whose doubt the rule has ended."""
    hold_id = customer.hold(30)
    customer.doubt(hold_id)
    assert holds.sweep(in_doubt_after=timedelta(0))["closed"] == 1
    return hold_id


@pytest.mark.parametrize("end", ["release", "rule"])
def test_a_price_after_the_end_is_kept_and_charges_nothing(
    customer: Payer, end: str
) -> None:
    hold_id = closed_doubt(customer) if end == "rule" else customer.hold(30)
    if end == "release":
        customer.release(hold_id)
    before = Hold.objects.values().get(id=hold_id)
    late = customer.settle(hold_id, 12, prompt_tokens=7, upstream_id="gen-1")

    assert (late.repeat, late.state, late.charged_micros) == (True, "released", 0)
    assert customer.figures() == (100, 0, 100)
    assert Hold.objects.values().get(id=hold_id) == before
    assert words(hold_id) == [(12, "upstream")]
    word = Correction.objects.get(hold_id=hold_id)
    assert (word.prompt_tokens, word.upstream_id) == (7, "gen-1")
    assert "LATE_WORD" in {finding.code for finding in verify().findings}
    assert wrong_in_the_ledger() == []


def test_the_price_is_at_the_factor_of_the_call(db: None, clock: Clock) -> None:
    customer = Payer.open(credits=100, price_factor_ppm=1_500_000)
    hold_id = customer.hold(10)
    customer.release(hold_id)
    customer.settle(hold_id, 7)

    assert words(hold_id) == [(11, "upstream")]


def test_the_same_word_again_is_one_word(customer: Payer) -> None:
    hold_id = customer.hold(30)
    customer.release(hold_id)
    for price in (12, 12, 13, 12):
        customer.settle(hold_id, price)

    assert sorted(words(hold_id)) == [(12, "upstream"), (13, "upstream")]


def test_in_one_batch_too(customer: Payer) -> None:
    hold_id = customer.hold(30)
    whose = (hold_id, customer.account_id)
    settled = Settle(*whose, used(12))
    holds.commit([Release(*whose, "upstream_refused"), settled, settled])

    assert words(hold_id) == [(12, "upstream")]
    other = customer.hold(30)
    whose = (other, customer.account_id)
    holds.commit([Settle(*whose, used(12)), settled, Settle(*whose, used(12))])
    holds.commit([Settle(*whose, used(5)), Settle(*whose, used(5))])
    assert words(other) == [(5, "upstream")]
    assert wrong_in_the_ledger() == []


def test_a_repeat_says_nothing_new(customer: Payer) -> None:
    paid, free, unpaid = customer.call(30), customer.hold(5), customer.call(0)
    customer.release(free)
    for _ in range(2):
        customer.settle(paid, 30)
        customer.release(free)
        customer.settle(free, 0)
        customer.release(unpaid)

    assert not Correction.objects.filter(account_id=customer.account_id).exists()


def test_another_price_of_a_settled_call_is_kept(customer: Payer) -> None:
    hold_id = customer.call(30, prompt_tokens=7)
    customer.settle(hold_id, 20, prompt_tokens=7)

    assert words(hold_id) == [(20, "upstream")]
    assert Correction.objects.get(hold_id=hold_id).prompt_tokens == 0  # counted before
    assert customer.figures() == (70, 0, 70)


def test_that_a_charged_call_cost_nothing_is_kept(customer: Payer) -> None:
    hold_id = customer.call(30)
    customer.release(hold_id, "upstream_job_failed")

    assert words(hold_id) == [(0, "estimated")]
    assert Correction.objects.get(hold_id=hold_id).reason == "upstream_job_failed"


def test_a_sweep_that_was_overtaken_says_nothing(customer: Payer) -> None:
    hold_id = customer.hold(30)
    customer.doubt(hold_id)
    customer.settle(hold_id, 12)
    by_rule = used(0, basis="in_doubt", upstream_micros=None)
    holds.commit([Release(hold_id, customer.account_id, "upstream_lost", by_rule)])

    assert words(hold_id) == []


@pytest.mark.parametrize("cost", [-1, 2**70])
def test_a_senseless_late_price_is_rejected(customer: Payer, cost: int) -> None:
    hold_id = customer.hold(30)
    customer.release(hold_id)
    holds.commit([Settle(hold_id, customer.account_id, used(cost))])

    assert words(hold_id) == []


# --- evidence of life ---------------------------------------------------------------


def test_a_job_that_is_entrusted_ends_the_doubt(customer: Payer, clock: Clock) -> None:
    """A sweep that went by a clock 40 seconds ahead came while it was submitted."""
    lease_id = uuid.uuid4()
    leases.renew(lease_id, label="gateway", seconds=30)
    hold_id = customer.hold(30, lease_id=lease_id.hex)
    clock.advance(seconds=40)
    assert holds.sweep(in_doubt_after=HOUR)["doubted"] == 1
    clock.moment = START

    entrusted = customer.entrust(hold_id, 50, START + 5 * HOUR)
    assert (entrusted.held_micros, entrusted.repeat) == (50, False)
    hold = Hold.objects.get(id=hold_id)
    assert (hold.state, hold.reason, hold.changed_at) == ("open", "", None)
    assert (hold.lease_id, hold.due_at) == (None, START + 5 * HOUR)
    clock.advance(hours=2)
    assert holds.sweep(in_doubt_after=timedelta(0)) == {"doubted": 0, "closed": 0}
    assert customer.settle(hold_id, 30).charged_micros == 30
    assert wrong_in_the_ledger() == []


def test_that_a_released_job_lives_is_kept_until_its_price_is_known(
    customer: Payer,
) -> None:
    hold_id = closed_doubt(customer)
    order = Entrust(hold_id, customer.account_id, START + HOUR, 30)
    for _ in range(2):
        holds.commit([order])
    assert words(hold_id) == [(None, "in_doubt")]

    customer.settle(hold_id, 12)
    holds.commit([order])
    assert set(words(hold_id)) == {(None, "in_doubt"), (12, "upstream")}
    assert customer.figures() == (100, 0, 100)


def test_a_doubt_is_not_closed_while_its_process_lives(
    customer: Payer, clock: Clock
) -> None:
    """It stood still, and was thought dead: whoever renews a lease will tell."""
    lease_id = uuid.uuid4()
    leases.renew(lease_id, label="gateway", seconds=30)
    hold_id = customer.hold(30, lease_id=lease_id.hex, due_at=START + HOUR)
    clock.advance(seconds=31)
    holds.sweep(in_doubt_after=HOUR)
    leases.renew(lease_id, label="gateway", seconds=7200)
    clock.advance(minutes=30)
    assert holds.sweep(in_doubt_after=timedelta(minutes=15))["closed"] == 0

    clock.advance(minutes=30)  # its own time is up now
    assert holds.sweep(in_doubt_after=timedelta(minutes=15))["closed"] == 1
    assert Hold.objects.get(id=hold_id).state == "released"


def test_a_doubt_that_its_process_has_told_is_closed(customer: Payer) -> None:
    lease_id = uuid.uuid4()
    leases.renew(lease_id, label="gateway", seconds=7200)
    customer.doubt(customer.hold(30, lease_id=lease_id.hex))

    assert holds.sweep(in_doubt_after=timedelta(0))["closed"] == 1
