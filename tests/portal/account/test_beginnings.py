"""What a stranger may begin without end, and leave in the log and the trail."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from portal.models import AuditEvent, Session, User
from portal.runtime.log_lines import LINES_MAX, Line, Rarely
from portal.signing_in import limits
from tests.support.portal.accounts import code_of

pytestmark = [pytest.mark.django_db, pytest.mark.once]

CHALLENGE = "/account/sign-in/passkey"


def challenge(address: str) -> Any:
    return Client().get(
        CHALLENGE, headers={"accept": "application/json"}, REMOTE_ADDR=address
    )


def test_a_network_begins_so_many_sign_ins() -> None:
    """Each leaves a session in the database."""
    most = limits.BEGINNINGS.most
    for number in range(most + 5):
        answer = challenge(f"2001:db8::{number:x}")
        assert (answer.status_code == 200) == (number < most)
    assert Session.objects.count() == most
    assert challenge("2001:db8:0:1::1").status_code == 200
    sso = Client().post("/account/sso/sso", REMOTE_ADDR="2001:db8::1")
    assert sso.status_code == 429


def test_wrong_codes_of_a_mail_are_written(carol: User) -> None:
    client = Client()
    client.post("/account/password/reset", {"email": carol.email})
    for _ in range(2):
        client.post("/account/password/reset/code", {"code": "WRNG-CODE"})
    assert code_of(carol.email)
    found = AuditEvent.objects.filter(action="user.sign_in_failed")
    assert [(e.target, e.detail) for e in found] == [(carol.email, {"by": "mail"})] * 2


def test_what_strangers_send_is_a_few_lines(settings: Settings) -> None:
    settings.STRIPE_WEBHOOK_SECRET = "whsec_0123456789abcdefghijkl"
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(Line("%(message)s"))
    handler.addFilter(Rarely())
    logging.getLogger("portal").addHandler(handler)
    try:
        for _ in range(2 * LINES_MAX):
            answer = Client().post("/payments/stripe/webhook", "{}", "application/json")
            assert answer.status_code == 400
    finally:
        logging.getLogger("portal").removeHandler(handler)
    assert len(written.getvalue().splitlines()) == LINES_MAX
