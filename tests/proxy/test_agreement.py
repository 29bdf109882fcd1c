"""One definition of what was charged: the overview, the page of usage, its CSV, the
activity's totals, the explanation, `/v1/usage` and the ledger agree to the microcredit,
whatever happened, in any time zone, over a change of clocks."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from billing import budgets, usage_days
from billing.models import Entry
from billing.reports import activity_totals, periods, usage
from billing.reports.activity import Wanted
from billing.reports.explain import explain
from billing.reports.periods import Range
from billing.reports.usage import Chosen, Dimension
from billing.values import amounts
from portal.models import ApiKey, Organization
from portal.tenants import key_rights, keys
from portal.tenants.keys import Identity
from proxy.views.usage import answer
from tests.support.cast import OPERATOR, make_key, make_organization, make_user
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import Payer
from tests.support.ledger.spending import Spending

# In New York clocks go forward on 8 March 2020, at 2 in the morning.
BEGINNINGS = {
    "UTC": datetime(2020, 2, 28, 22, 37, tzinfo=UTC),
    "Asia/Kolkata": datetime(2020, 2, 29, 12, tzinfo=UTC),
    "Asia/Kathmandu": datetime(2020, 2, 29, 12, tzinfo=UTC),
    "America/New_York": datetime(2020, 3, 7, 18, 3, tzinfo=UTC),
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("billing.values.clock.source", clock)
    return clock


def booked(account_id: int, span: Range) -> int:
    """What left the credits for calls then, less what came back of it: the ledger's
    own entries."""
    entries = Entry.objects.filter(
        account_id=account_id,
        transfer__kind__in=["usage", "refund"],
        created_at__gte=span.start,
        created_at__lt=span.end,
    )
    return -sum(entries.values_list("amount_micros", flat=True))


def shown(client: Client, organization: Organization, span: Range) -> tuple[int, int]:
    """By the page of usage, and by its CSV."""
    zone = ZoneInfo(organization.account.time_zone)
    url = f"/o/{organization.slug}/usage/"
    ends = {
        name: at.astimezone(zone).strftime("%Y-%m-%dT%H:%M%z")
        for name, at in (("from", span.start), ("to", span.end))
    }
    page = client.get(url, {**ends, "by": "key", "compare": "1"})
    rows = sum(line.row.charged_micros for line in page.context["listing"].lines)
    assert rows == page.context["total"].charged_micros
    assert rows == sum(step.used.charged_micros for step in page.context["steps"])
    answer: Any = client.get(url, {**ends, "format": "csv"})
    text = b"".join(answer.streaming_content).decode()
    credits = [row["credits"] for row in csv.DictReader(io.StringIO(text))]
    return rows, sum(map(micros_of, credits))


def micros_of(credits: str) -> int:
    micros = amounts.micros_of(credits.removeprefix("-"))
    return -micros if credits.startswith("-") else micros


@dataclass
class Scene:
    """An organization that was used at random, and its first key."""

    client: Client
    organization: Organization
    key: ApiKey
    identity: Identity

    def check(self, span: Range) -> None:
        account_id = self.organization.account_id
        wanted, chosen = booked(account_id, span), Chosen(account_id)
        assert usage.total(chosen, span).charged_micros == wanted
        told = activity_totals.charged_in(Wanted(chosen, span.start, span.end))
        assert told is not None
        assert told.charged_micros == wanted
        explained = explain(account_id, span.start, span.end)
        assert (explained.charged_micros, explained.gap_micros) == (wanted, 0)
        assert shown(self.client, self.organization, span) == (wanted, wanted)
        self.check_key(chosen, span)

    def check_key(self, chosen: Chosen, span: Range) -> None:
        """By the key itself: what it used, and what its project did."""
        ends = {"start": span.start.isoformat(), "end": span.end.isoformat()}
        for scope, by, subject in (
            ("key", Dimension.KEY, self.key.spender_id),
            ("project", Dimension.PROJECT, self.key.project.unit_id),
        ):
            query = {**ends, "scope": scope, "group_by": "model,client", "limit": "99"}
            document = answer(self.identity, query)
            rows = [row for slot in document["data"] for row in slot["results"]]
            sums = usage.figures(chosen, [span], [by])
            charged = sums.get((0, (subject,)), usage.NOTHING).charged_micros
            assert document["total"]["charged_micros"] == charged
            assert sum(row["charged_micros"] for row in rows) == charged

    def check_overview(self, zone: str) -> None:
        account_id = self.organization.account_id
        page = self.client.get(f"/o/{self.organization.slug}/").context
        for (_, used, _, _), days in zip(page["sums"], (1, 7, 30), strict=True):
            wanted = booked(account_id, periods.last_days(zone, days))
            assert used.charged_micros == wanted
        assert sum(day["charged_micros"] for day in page["days"]) == wanted


@pytest.mark.django_db
@pytest.mark.parametrize("zone", BEGINNINGS)
def test_all_name_one_sum(client: Client, clock: Clock, zone: str) -> None:
    chance, begun = Random(zone), BEGINNINGS[zone]
    clock.moment = begun
    owner = make_user("owner@example.com")
    organization = make_organization("Agreed", owner)
    key, secret = make_key(organization, owner)
    key_rights.give(key, sees_balance=False, sees_project=True, actor=OPERATOR)
    account_id = organization.account_id
    payer = Payer(account_id, key.spender_id)
    spending = Spending.begin(payer, clock, seed=19, first=key.spender)
    budgets.set_time_zone(account_id, zone)
    organization.account.refresh_from_db()
    spending.go_on(45)
    for _ in range(chance.randint(1, 9)):
        usage_days.add_next(account_id)
    spending.go_on(10)
    client.force_login(owner)
    scene = Scene(client, organization, key, keys.verify(secret))
    first = periods.day_of(zone, begun)
    everything = periods.days(zone, first, periods.day_of(zone, clock.moment))
    assert booked(account_id, everything) > 0
    scene.check(everything)
    scene.check(periods.days(zone, first + periods.DAY, first + periods.DAY))
    length = int((clock.moment - begun).total_seconds() / 60)
    minutes = sorted(chance.sample(range(length), 2))
    start, end = (begun + timedelta(minutes=each) for each in minutes)
    scene.check(Range(start, end))
    scene.check_overview(zone)
