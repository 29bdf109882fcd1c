"""Signing in as a person does, without what passwords cost."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.test import Client

from portal.models import AuditEvent, User
from portal.signing_in import sealing
from tests.support.cast import PASSWORD

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CODE = re.compile(r"^[A-Z]{4}-[A-Z]{4}$", re.MULTILINE)


class CountingHasher(MD5PasswordHasher):
    """Quick, and remembers what it has hashed."""

    algorithm = "counting"
    hashed: ClassVar[list[str]] = []

    def encode(self, password: str, salt: str) -> str:
        self.hashed.append(password)
        return super().encode(password, salt)


COUNTING = [f"{__name__}.CountingHasher"]


def sign_in(client: Client, email: str, password: str = PASSWORD, **more: Any) -> Any:
    form = {"login": email, "password": password, "next": more.pop("next", "")}
    return client.post("/account/sign-in", form, **more)


def sent_to(address: str) -> list[str]:
    """The mails to an address: subject and text."""
    return [f"{m.subject}\n{m.body}" for m in mail.outbox if m.to == [address]]


def code_of(address: str) -> str:
    """The code in the last mail to an address."""
    [*_, code] = CODE.findall(sent_to(address)[-1])
    return str(code)


def add_app(user: User) -> None:
    """An authenticator app with SECRET, and recovery codes."""
    data = {"secret": sealing.seal(SECRET)}
    Authenticator.objects.create(user=user, type="totp", data=data)
    RecoveryCodes.activate(user)


def app_code(steps: int = 0) -> str:
    """What the app shows now, or so many steps from now."""
    counter = int(time.time()) // 30 + steps
    return str(auth.format_hotp_value(auth.hotp_value(SECRET, counter)))


def recovery_codes(user: User) -> Sequence[str]:
    row = Authenticator.objects.get(user=user, type="recovery_codes")
    return list(row.wrap().get_unused_codes())


def actions(user: User | None = None) -> list[str]:
    """What the trail has of a person, or of all; in order, without the organizations'
    own."""
    rows = AuditEvent.objects.filter(action__startswith="user.").order_by("pk")
    if user is not None:
        rows = rows.filter(actor_id=user.pk)
    return list(rows.values_list("action", flat=True))
