"""Mail by a provider's API: it goes there with the key, or the start says why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMessage, get_connection
from pytest_django import Settings

from portal.runtime import mail_providers
from portal.runtime.variables import Env, Refused
from tests.support.portal.receiver import Came, Receiver
from tests.support.portal.started import Start

pytestmark = pytest.mark.once
KEY = "key-of-the-provider"


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Start:
    return Start(monkeypatch, tmp_path)


def answer(came: Came, number: int) -> tuple[int, dict[str, str], bytes]:
    told = {"To": "a@example.com", "MessageID": "m", "ErrorCode": 0, "Message": "OK"}
    return 200, {"content-type": "application/json"}, json.dumps(told).encode()


def test_a_mail_goes_to_the_provider(start: Start, settings: Settings) -> None:
    with Receiver(answer) as receiver:
        found = start(
            EMAIL_PROVIDER="postmark",
            EMAIL_PROVIDER_KEY=KEY,
            EMAIL_PROVIDER_URL=f"http://{receiver.host}",
        )
        settings.ANYMAIL = found["ANYMAIL"]
        message = EmailMessage("Code", "123", "us@example.com", ["a@example.com"])
        sent = get_connection(found["MAIL_BACKEND"]).send_messages([message])
    assert sent == 1
    [came] = receiver.came
    assert came.headers["x-postmark-server-token"] == KEY
    assert json.loads(came.body)["TextBody"] == "123"


@pytest.mark.parametrize("provider", mail_providers.KEYS)
def test_each_provider_gets_its_key(
    start: Start, settings: Settings, provider: str
) -> None:
    found = start(EMAIL_PROVIDER=provider, EMAIL_PROVIDER_KEY=KEY)
    settings.ANYMAIL = found["ANYMAIL"]
    backend: Any = get_connection(found["MAIL_BACKEND"])
    assert KEY in vars(backend).values()
    assert backend.timeout == settings.EMAIL_TIMEOUT


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"EMAIL_PROVIDER": "pigeon", "EMAIL_PROVIDER_KEY": KEY}, "write one of brevo"),
        ({"EMAIL_PROVIDER": "resend"}, "EMAIL_PROVIDER_KEY is not set"),
        ({"EMAIL_PROVIDER_KEY": KEY}, "EMAIL_PROVIDER is not"),
        ({"EMAIL_PROVIDER_URL": "https://mail.example.com"}, "EMAIL_PROVIDER is not"),
        (
            {
                "EMAIL_PROVIDER": "resend",
                "EMAIL_PROVIDER_KEY": KEY,
                "EMAIL_URL": "smtp://mail.example.com:25",
            },
            "both set",
        ),
    ],
)
def test_what_is_missing_is_said_at_start(
    start: Start, variables: dict[str, str], told: str
) -> None:
    with pytest.raises(Refused, match=told) as refused:
        start(**variables)
    assert KEY not in str(refused.value.code)


def test_a_missing_extra_is_said_at_start() -> None:
    env = Env({})
    mail_providers.options(env, "resend", KEY, "", seconds=10, has_extra=lambda: False)
    with pytest.raises(Refused, match=r"pip install 'tollgate\[mail\]'"):
        env.refuse()
