"""Tests of endpoints, which anybody with the right may send, have a bound."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from billing.values import clock
from portal.models import AuditEvent, Organization
from portal.notices import by_hand
from portal.notices.by_hand import WEBHOOK_TESTS_AN_HOUR, TooManyTests
from portal.tenants.audit import Actor
from tests.portal.notices.test_endpoints import create
from tests.support.portal import pages

pytestmark = pytest.mark.once


def test_an_organization_sends_so_many_tests_an_hour(
    organization: Organization, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (create(organization, owner, name=name) for name in "ab")
    for number in range(WEBHOOK_TESTS_AN_HOUR):
        by_hand.prepare_test((first, second)[number % 2], actor=owner)
    with pytest.raises(TooManyTests):
        by_hand.prepare_test(first, actor=owner)
    written = AuditEvent.objects.filter(action="webhook.test")
    assert written.count() == WEBHOOK_TESTS_AN_HOUR
    assert owner.user
    browser = Client()
    browser.force_login(owner.user)
    page = f"/o/{organization.slug}/webhooks/{first.id}/"
    browser.post(f"{page}change", {"act": "test"})
    assert str(TooManyTests()) in pages.read(browser.get(page)).text
    later = clock.now() + timedelta(hours=1, seconds=1)
    monkeypatch.setattr(clock, "source", lambda: later)
    assert by_hand.prepare_test(first, actor=owner).endpoint == first
