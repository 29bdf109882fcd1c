"""What people are told of, each once in its period, and nothing of it in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from billing import grants
from billing.budgets import Subject, set_limit
from billing.models import Event, UsageRollup
from billing.models.budget import Level, Window
from billing.models.grant import GrantSource
from billing.values import clock as the_clock
from billing.values.orders import CREDIT
from portal.models import Organization, User, Watch
from portal.notices import alerts
from portal.notices.alerts import Setting
from portal.notices.watching import rounds
from portal.tenants import key_edits
from portal.tenants.audit import Actor
from tests.support.cast import make_key
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import Payer

Spend = Callable[[int], None]


@pytest.fixture
def spend(organization: Organization, alice: User, clock: Clock) -> Spend:
    """`spend(5)` makes a call of five credits."""
    key, _ = make_key(organization, alice)
    payer = Payer(organization.account_id, key.spender_id)

    def call(credits: int) -> None:
        hold = payer.hold(credits * CREDIT)
        payer.settle(hold, credits * CREDIT)

    return call


def look(organization: Organization) -> list[tuple[str, str]]:
    """One look; all that was found so far, but grants."""
    rounds.look(organization)
    found = Event.objects.filter(account_id=organization.account_id)
    found = found.exclude(key__startswith="audit ")  # what somebody did
    rows = found.exclude(type__in=["grant.created", "key.first_used"])
    return list(rows.order_by("id").values_list("type", "key"))


def types(organization: Organization) -> list[str]:
    return [type for type, _ in look(organization)]


def test_low_is_told_once_until_it_was_enough(
    organization: Organization, spend: Spend, owner: Actor
) -> None:
    """The cast's organization has 1,000 credits."""
    low = Setting(low_micros=500 * CREDIT, low_days=0)
    alerts.change(organization, "balance", low, actor=owner)
    assert types(organization) == []
    spend(501)
    assert types(organization) == ["balance.low"]
    spend(5)
    assert types(organization) == ["balance.low"]

    def grant(credits: int, reference: str) -> None:
        grants.issue(
            organization.account_id,
            credits * CREDIT,
            source=GrantSource.PURCHASE,
            reference=reference,
        )

    grant(50, "just above")  # 544: a little more than low is no enough
    assert types(organization) == ["balance.low"]
    grant(100, "enough")
    assert types(organization) == ["balance.low", "balance.restored"]
    spend(200)
    assert look(organization)[2:] == [("balance.low", "2")]
    spend(444)
    assert types(organization)[3:] == ["balance.depleted"]
    assert types(organization)[3:] == ["balance.depleted"]


def test_days_of_runway_count_too(
    organization: Organization, spend: Spend, clock: Clock
) -> None:
    """100 credits a day of 1,000: less than a week after the fourth day."""
    for _ in range(4):
        assert types(organization) == []
        spend(100)
        clock.advance(hours=24)
    event = look(organization)
    assert [type for type, _ in event] == ["balance.low"]
    low = Event.objects.get(type="balance.low")
    assert low.data["runway_days"] == 6
    assert low.data["available_micros"] == 600 * CREDIT


def test_a_budget_is_told_of_at_50_80_and_100_percent_once_a_window(
    organization: Organization, spend: Spend, clock: Clock
) -> None:
    set_limit(
        organization.account_id,
        Subject(Level.ORGANIZATION),
        Window.DAY,
        10 * CREDIT,
        counts_spend_so_far=True,
    )
    told = []
    for credits in (4, 1, 1, 3, 1):
        spend(credits)
        told.append(len(types(organization)))
    assert told == [0, 1, 1, 2, 3]
    found = look(organization)
    assert [key.rpartition(":")[2] for _, key in found] == ["50", "80", "100"]
    assert found[-1][0] == "budget.exceeded"
    clock.advance(hours=24)
    spend(5)
    assert len(types(organization)) == 4


def test_a_jump_is_told_once(organization: Organization, spend: Spend) -> None:
    set_limit(
        organization.account_id,
        Subject(Level.ORGANIZATION),
        Window.TOTAL,
        10 * CREDIT,
        counts_spend_so_far=True,
    )
    spend(9)
    [(type, key)] = look(organization)
    assert (type, key.rpartition(":")[2]) == ("budget.threshold_reached", "80")


@pytest.mark.parametrize("scale", [100, 100_000_000])
def test_a_pace_that_does_not_last_names_the_day(
    organization: Organization, spend: Spend, clock: Clock, scale: int
) -> None:
    account = organization.account_id
    grants.issue(account, scale * CREDIT, source=GrantSource.PURCHASE, reference="much")
    limit = scale * CREDIT
    set_limit(
        account,
        Subject(Level.ORGANIZATION),
        Window.MONTH,
        limit,
        counts_spend_so_far=False,
    )
    start = the_clock.now().replace(day=1, hour=0, minute=0)
    month = (start + timedelta(days=40)).replace(day=1)
    clock.advance(seconds=(month - the_clock.now()).total_seconds())
    clock.advance(hours=24 * 10)
    spend(scale * 45 // 100)  # in ten days: the rest lasts for twelve more
    found = look(organization)
    assert [type for type, _ in found] == ["budget.overrun_projected"]
    told = Event.objects.get(type="budget.overrun_projected").data
    assert told["runs_out_on"] == (month + timedelta(days=22)).date().isoformat()
    assert len(look(organization)) == 1


def test_a_spike_is_told_once_a_day(
    organization: Organization, spend: Spend, clock: Clock
) -> None:
    for _ in range(4):
        spend(2)
        clock.advance(hours=24)
    assert types(organization) == []
    spend(30)
    assert types(organization) == ["spend.spike"]
    spend(30)
    assert types(organization) == ["spend.spike"]


def test_credits_that_expire_are_told_at_30_and_7_days(
    organization: Organization, clock: Clock
) -> None:
    ends = the_clock.now() + timedelta(days=40)
    for number in range(3):
        grants.issue(
            organization.account_id,
            5 * CREDIT,
            source=GrantSource.PROMOTION,
            reference=f"p{number}",
            expires_at=ends,
        )
    assert types(organization) == []
    clock.advance(hours=24 * 11)
    assert types(organization) == ["grant.expiring"]
    clock.advance(hours=24 * 23)
    found = look(organization)
    assert [key.rpartition(":")[2] for _, key in found] == ["30", "7"]
    told = Event.objects.filter(type="grant.expiring").first()
    assert told is not None
    assert told.data["remaining_micros"] == 15 * CREDIT


def test_a_key_is_told_of_before_it_expires(
    organization: Organization, alice: User, owner: Actor, clock: Clock
) -> None:
    key, _ = make_key(organization, alice)
    ends = the_clock.now() + timedelta(days=60)
    key_edits.set_expiry(key, ends, actor=owner)
    told = []
    for days in (25, 10, 10, 5):
        clock.advance(hours=24 * days)
        told.append([key for _, key in look(organization)])
    assert [len(each) for each in told] == [0, 1, 2, 3]
    assert [each.rpartition(":")[2] for each in told[-1]] == ["30", "20", "10"]


def test_a_key_that_nobody_uses(
    organization: Organization, spend: Spend, clock: Clock
) -> None:
    spend(1)
    UsageRollup.objects.filter(account_id=organization.account_id).update(
        starts_at=the_clock.now()
    )
    clock.advance(hours=24 * 89)
    assert types(organization) == []
    clock.advance(hours=48)
    assert types(organization) == ["key.unused"]
    clock.advance(hours=24 * 30)
    assert types(organization) == ["key.unused"]


def test_rounds_look_where_something_moved_and_else_once_an_hour(
    organization: Organization, spend: Spend, clock: Clock
) -> None:
    rounds.look(organization)

    def is_looked_at() -> bool:
        rounds.watch_due()
        return Watch.objects.get(pk=organization.pk).looked_at == the_clock.now()

    clock.advance(seconds=1)
    assert not is_looked_at()
    spend(1)
    clock.advance(seconds=1)
    assert is_looked_at()
    clock.advance(minutes=59)
    assert not is_looked_at()
    clock.advance(minutes=2)
    assert is_looked_at()


def test_what_the_ledger_did_is_told_once(
    organization: Organization, alice: User, clock: Clock
) -> None:
    key, _ = make_key(organization, alice)
    payer = Payer(organization.account_id, key.spender_id)
    rounds.look(organization)
    clock.advance(minutes=3)
    payer.settle(payer.hold(2 * CREDIT), 5 * CREDIT)
    grants.issue(
        organization.account_id,
        CREDIT,
        source=GrantSource.TRIAL,
        reference="trial",
        expires_at=the_clock.now() + timedelta(minutes=5),
    )
    for _ in range(2):
        clock.advance(minutes=6)
        rounds.look(organization)
    mine = Event.objects.filter(account_id=organization.account_id)
    told = sorted(mine.exclude(key__startswith="audit ").values_list("type", flat=True))
    assert told == ["grant.created", "grant.expired", "hold.overrun", "key.first_used"]
    assert mine.get(type="hold.overrun").data["charged_micros"] == 5 * CREDIT
