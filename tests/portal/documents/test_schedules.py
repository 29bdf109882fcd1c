"""Schedules: whose maker lost the right, and whose organization moved."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from billing.models import Event
from portal.documents import schedules
from portal.models import (
    AuditEvent,
    Export,
    ExportSchedule,
    Membership,
    Organization,
    Role,
    User,
)
from portal.notices import dispatch, mails
from portal.tenants import organizations
from tests.support.cast import OPERATOR, actor_of, make_member
from tests.support.portal.documented import later, schedule

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture(autouse=True)
def _outbox(own_folder: None, settings: Settings) -> None:
    settings.MAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


@pytest.mark.parametrize("loss", ["another role", "disabled", "removed", "deleted"])
def test_one_whose_maker_may_not_is_stopped_and_told_of(
    organization: Organization,
    alice: User,
    client: Client,
    loss: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bob = make_member(organization, "billing@example.com", Role.BILLING)
    schedule(organization, actor=actor_of(bob))
    member = Membership.objects.filter(user=bob)
    if loss == "another role":
        member.update(role=Role.DEVELOPER)
    elif loss == "disabled":
        with later(seconds=1):
            member.update(disabled_at="2026-01-01T00:00:00Z")
    else:
        member.delete()
        if loss == "deleted":
            ExportSchedule.objects.update(created_by=None)
    with later(days=1), caplog.at_level(logging.WARNING, "portal.documents.schedules"):
        assert (schedules.start_due(), schedules.start_due()) == (0, 0)
        dispatch.dispatch_due()
        mails.send_due()
    assert not Export.objects.exists()
    assert ExportSchedule.objects.get().disabled_at is not None
    assert caplog.text.count("is disabled") == 1
    [written] = AuditEvent.objects.filter(action="export_schedule.disable")
    assert written.actor_label == "schedule"
    assert Event.objects.filter(type="export_schedule.disabled").count() == 1
    told = {message.to[0] for message in mail.outbox}
    expected = {alice.email} | ({bob.email} if loss == "another role" else set())
    assert told == expected
    client.force_login(alice)
    page = client.get(reverse("export-schedules", args=[organization.slug]))
    assert "Stopped" in page.content.decode()


def test_another_time_zone_leaves_no_hour_out_and_none_twice(
    organization: Organization, alice: User
) -> None:
    schedule(organization, actor=actor_of(alice))
    for number, zone in enumerate(
        ("Asia/Tokyo", "America/Los_Angeles", "Pacific/Kiritimati", "UTC"), 1
    ):
        with later(days=2 * number):
            while schedules.start_due():
                pass
            organizations.change(organization, time_zone=zone, actor=OPERATOR)
            organization.account.refresh_from_db()
    with later(days=10):
        while schedules.start_due():
            pass
    spans = list(Export.objects.order_by("since").values_list("since", "until"))
    assert len(spans) >= 7
    for (_, until), (since, _) in zip(spans, spans[1:], strict=False):
        assert until == since
    assert all(since < until <= since + timedelta(days=2) for since, until in spans)
