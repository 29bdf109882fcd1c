"""Failed tries are in the trail, by one name of an account, and never a storm."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory

from portal.models import AuditEvent, Organization, User
from portal.signing_in import limits, methods
from tests.support.cast import PASSWORD
from tests.support.portal.accounts import sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.once]

SPELLINGS = (
    *("carol@example.com", "CAROL@example.com", "ｃａｒｏｌ@example.com"),
    *("ⓒarol@example.com", "carol@EXAMPLE.COM", " carol@example.com "),
)


def failures() -> int:
    return AuditEvent.objects.filter(action="user.sign_in_failed").count()


def fail(name: str, times: int) -> None:
    for number in range(times):
        address = f"2001:db8:{number:x}::1"  # a network of its own each time
        request = RequestFactory().post("/", REMOTE_ADDR=address)
        request.user = AnonymousUser()
        methods.record_failure(request, "password", name)


def test_an_account_gets_so_many_rows_an_hour(
    organization: Organization, alice: User
) -> None:
    fail(alice.email, limits.FAILURES_WRITTEN.most + 10)
    assert failures() == limits.FAILURES_WRITTEN.most
    written = AuditEvent.objects.filter(action="user.sign_in_failed")
    [whose] = set(written.values_list("organization"))
    assert whose == (organization.pk,)


def test_names_of_nobody_hide_no_account(alice: User) -> None:
    fail("nobody@example.com", limits.FAILURES_OF_NOBODY_WRITTEN.most + 3)
    assert failures() == limits.FAILURES_OF_NOBODY_WRITTEN.most
    fail(alice.email, 1)
    assert failures() == limits.FAILURES_OF_NOBODY_WRITTEN.most + 1


def test_every_spelling_of_an_address_counts_together(carol: User) -> None:
    """And from elsewhere the right password opens all the same."""
    for number in range(limits.PASSWORD.most):
        spelled = SPELLINGS[number % len(SPELLINGS)]
        assert sign_in(Client(), spelled, "wrong").status_code == 200
    for spelled in SPELLINGS:
        assert sign_in(Client(), spelled, PASSWORD).status_code == 429
    elsewhere = sign_in(Client(), carol.email, PASSWORD, REMOTE_ADDR="203.0.113.77")
    assert elsewhere.status_code == 302
    assert failures() == limits.PASSWORD.most


def test_signing_out_is_written(carol: User) -> None:
    browser = Client()
    assert sign_in(browser, carol.email, PASSWORD).status_code == 302
    for _ in range(3):
        browser.post("/account/sign-out")
    assert AuditEvent.objects.filter(action="user.sign_out").count() == 1
