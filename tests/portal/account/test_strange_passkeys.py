"""What a stranger's script may post in a passkey's place: a clear no, never a 500."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from portal.models import User
from tests.portal.account.test_passkeys import confirmed
from tests.support.cast import PASSWORD
from tests.support.portal.accounts import add_app, sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def spelled(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def passkey(**changes: Any) -> str:
    response = {
        "clientDataJSON": spelled(b'{"type": "webauthn.get", "challenge": "YQ"}'),
        "authenticatorData": spelled(b"a" * 37),
        "attestationObject": spelled(b"\xa0"),
        "signature": spelled(b"s"),
        "userHandle": spelled(b"1"),
        **changes,
    }
    said = {"id": "YQ", "rawId": "YQ", "type": "public-key", "response": response}
    return json.dumps(said)


JUNK = [
    *("5", "[]", "{}", '"x"', "null", "true", "[" * 100_000, "9" * 5000),
    *('{"response": 7}', '{"response": []}', '{"rawId": {}, "response": {}}'),
    passkey(),
    passkey(authenticatorData=spelled(b"short")),
    passkey(authenticatorData=spelled(b"a" * 32 + b"\xff" * 5)),
    passkey(authenticatorData=[], signature={}),
    passkey(clientDataJSON=spelled(b"[]")),
    passkey(clientDataJSON=spelled(b"{}")),
    passkey(clientDataJSON=spelled(b"[" * 50_000)),
    passkey(attestationObject=spelled(b"\xff")),
    passkey(attestationObject=spelled(b"\x81" * 3000)),
    passkey(userHandle=spelled(b"\xff\x00")),
    passkey(userHandle=spelled(b"z" * 13)),
    passkey(userHandle=None),
]


@pytest.fixture
def ceremonies(carol: User) -> list[tuple[Client, str]]:
    """Browsers in which a passkey is asked for, and where it is posted."""
    add_app(carol)
    signing_in, half_way, here = Client(), Client(), Client()
    url = "/account/sign-in/passkey"
    signing_in.get(url, headers={"accept": "application/json"})
    sign_in(half_way, carol.email, PASSWORD)
    here.force_login(carol)
    confirmed(here, "/account/passkeys/new")
    return [
        (signing_in, url),
        (half_way, "/account/sign-in/second-factor"),
        (here, "/account/passkeys/new"),
        (here, "/account/confirm/passkey"),
    ]


def test_junk_is_no_passkey(ceremonies: list[tuple[Client, str]]) -> None:
    for browser, url in ceremonies:
        for junk in JUNK:
            answer = browser.post(url, {"credential": junk})
            assert answer.status_code in {200, 302}, (url, junk[:80])
    assert not Authenticator.objects.filter(type="webauthn").exists()
