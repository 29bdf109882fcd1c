"""A grant that expires: unusable from its instant on, but what is held survives."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from billing import grants
from billing.models import Grant, Transfer
from billing.values import errors
from billing.values.orders import Placed
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer, system_balance, wrong_in_the_ledger

END = START + timedelta(hours=1)


@pytest.fixture
def trial(db: None, clock: Clock) -> Payer:
    """A customer with nothing but 50 microcredits until END."""
    customer = Payer.open()
    customer.grant(50, source="trial", expires_at=END)
    return customer


def test_a_lot_is_usable_until_its_instant_and_not_at_it(
    trial: Payer, clock: Clock
) -> None:
    clock.moment = END - timedelta(microseconds=1)
    trial.release(trial.hold(50))
    clock.moment = END

    assert type(trial.place(1)) is errors.InsufficientCredits
    assert trial.figures() == (50, 0, 0)
    assert isinstance(trial.place(0), Placed)


def test_without_any_job_expired_credits_are_no_credits(
    trial: Payer, clock: Clock
) -> None:
    trial.grant(20)
    clock.moment = END

    refusal = trial.place(21)
    assert isinstance(refusal, errors.InsufficientCredits)
    assert refusal.available_micros == 20
    assert wrong_in_the_ledger() == []


def test_a_new_hold_takes_nothing_from_an_expired_lot(
    trial: Payer, clock: Clock
) -> None:
    trial.grant(20)
    clock.moment = END
    trial.hold(20)

    assert trial.lots() == [(50, 0), (20, 20)]


def test_what_is_left_is_booked_out_once(trial: Payer, clock: Clock) -> None:
    before = system_balance("expiry")
    trial.call(20)
    assert grants.expire_due() == 0
    clock.moment = END

    assert grants.expire_due() == 1
    assert grants.expire_due() == 0
    assert trial.figures() == (0, 0, 0)
    assert system_balance("expiry") == before + 30
    assert wrong_in_the_ledger() == []


def test_a_call_still_pays_from_what_it_held(trial: Payer, clock: Clock) -> None:
    hold_id = trial.hold(30)
    clock.moment = END
    assert grants.expire_due() == 1
    assert trial.figures() == (30, 30, 0)

    settled = trial.settle(hold_id, 30)
    assert (settled.charged_micros, settled.absorbed_micros) == (30, 0)
    assert trial.figures() == (0, 0, 0)
    assert wrong_in_the_ledger() == []


def test_the_returned_part_of_an_expired_lot_lapses(trial: Payer, clock: Clock) -> None:
    hold_id = trial.hold(30)
    clock.moment = END
    grants.expire_due()
    settled = trial.settle(hold_id, 12)

    assert settled.available_micros == 0
    assert type(trial.place(1)) is errors.InsufficientCredits
    assert grants.expire_due() == 1
    assert trial.figures() == (0, 0, 0)
    assert wrong_in_the_ledger() == []


def test_each_return_lapses_by_a_transfer_of_its_own(
    trial: Payer, clock: Clock
) -> None:
    first, second = trial.hold(20), trial.hold(20)
    clock.moment = END
    for step in (lambda: None, lambda: trial.release(first)):
        step()
        assert grants.expire_due() == 1
    trial.settle(second, 5)
    assert grants.expire_due() == 1

    lapsed = Transfer.objects.filter(kind="expire", source_id=trial.account_id)
    assert sorted(lapsed.values_list("amount_micros", flat=True)) == [10, 15, 20]
    assert wrong_in_the_ledger() == []


def test_an_overrun_takes_nothing_from_an_expired_lot(
    trial: Payer, clock: Clock
) -> None:
    hold_id = trial.hold(10)
    clock.moment = END

    settled = trial.settle(hold_id, 25)
    assert (settled.charged_micros, settled.absorbed_micros) == (10, 15)
    assert trial.lots() == [(40, 0)]


def test_credits_on_hold_do_not_count_those_that_will_have_expired(
    trial: Payer, clock: Clock
) -> None:
    trial.hold(50)
    assert type(trial.place(1)) is errors.CreditsOnHold
    clock.moment = END
    assert type(trial.place(1)) is errors.InsufficientCredits


def test_every_account_with_expired_grants_is_booked_out(
    trial: Payer, clock: Clock
) -> None:
    other = Payer.open(credits=5)
    other.grant(10, expires_at=END)
    other.grant(10, expires_at=END + timedelta(minutes=1))
    other.grant(10, expires_at=END + timedelta(days=1))
    clock.moment = END + timedelta(minutes=1)

    assert grants.expire_due() == 3
    assert other.figures() == (15, 0, 15)
    assert trial.figures() == (0, 0, 0)


@pytest.mark.parametrize(
    "expires_at", [START, START - timedelta(seconds=1), datetime.min]
)
def test_a_grant_expires_in_the_future(trial: Payer, expires_at: datetime) -> None:
    expires_at = expires_at.replace(tzinfo=START.tzinfo)
    with pytest.raises(ValueError, match="future"):
        trial.grant(10, expires_at=expires_at)
    assert Grant.objects.filter(account_id=trial.account_id).count() == 1


def test_a_leap_day_ends_at_midnight(db: None, clock: Clock) -> None:
    customer = Payer.open()
    customer.grant(10, expires_at=datetime(2020, 2, 29, tzinfo=START.tzinfo))
    clock.advance(hours=1, minutes=29, seconds=59)
    assert customer.figures()[2] == 10
    clock.advance(seconds=1)
    assert customer.figures()[2] == 0
