"""What the demonstration lives through is a ledger like any other: it proves itself.

Costs 3 s: a week instead of six.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing.models import Grant, UsageRecord
from billing.values import clock
from billing.verification.report import verify
from portal.models import AuditEvent, RaiseRequest, Role
from portal.tenants import audit
from proxy.demo import past, team
from tests.support.cast import make_organization, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def test_a_team_with_a_past(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "DAYS", 20)
    now = clock.now()
    with past.at(past.begin(now)):
        organization = make_organization("Northwind", make_user("demo@example.com"))
        found = team.make(organization, audit.Actor(None, "test"))
    count = past.live(found, now)
    team.limit(found)

    report = verify()
    assert report.findings == []
    records = UsageRecord.objects.filter(account_id=organization.account_id)
    assert 200 < records.count() <= count + 4
    first, last = records.earliest("settled_at"), records.latest("settled_at")
    assert last.settled_at - first.settled_at > timedelta(days=18)
    assert records.values("session").distinct().count() > 5
    roles = set(organization.memberships.values_list("role", flat=True))
    assert roles == {role.value for role in Role}
    assert Grant.objects.filter(expires_at__gt=now, remaining_micros__gt=0).exists()
    assert RaiseRequest.objects.filter(state="pending").count() == 1
    done = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"doubt.settle", "doubt.release", "call.refund", "call.charge"} <= done
    assert clock.source is clock.system
