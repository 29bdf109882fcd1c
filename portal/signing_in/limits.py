"""Counting tries, so that guessing is slow and no stranger locks anybody out.

The counters are rows of the database: all processes share them, nothing evicts them,
and nobody needs Redis to sign in. Each is a digest of what is counted; an account is
counted by its address in its one form (`User.objects.normalize_email`), so that other
spellings of it count together.

Who tries is a known device, where the browser proves that this account was signed in
from it (`devices.py`), else the network the request comes from. So what strangers do,
even from behind the same proxy, never stops the owner on their own device.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.db import connection
from django.http import HttpRequest

from billing import purging
from billing.values import clock
from portal.models import Attempt, User
from portal.signing_in import devices
from portal.tenants import addresses


@dataclass(frozen=True, slots=True)
class Rule:
    """So many tries in so many seconds."""

    name: str
    most: int
    seconds: int


QUARTER, HOUR = 900, 3600
# Of one account, by one device or network: passwords, and codes of a second factor.
PASSWORD = Rule("password", 10, QUARTER)
CODE = Rule("code", 10, QUARTER)
# Of one account, by all devices that are not known. Six digits need more than slowness
# by network; a password does not, and this one would lock its owner out.
CODE_OF_STRANGERS = Rule("code-of-strangers", 50, HOUR)
# Of one network, whatever the account.
NETWORK = Rule("network", 100, QUARTER)
SIGN_UP = Rule("sign-up", 20, HOUR)
# The beginnings of a sign-in by passkey or provider: each writes a session.
BEGINNINGS = Rule("beginnings", 100, QUARTER)
# Failed tries that are written into the trails of one account, and of nobody: rows of
# a trail are never deleted, and whoever has many networks could write them for ever.
FAILURES_WRITTEN = Rule("failures-written", 50, HOUR)
FAILURES_OF_NOBODY_WRITTEN = Rule("failures-of-nobody-written", 500, HOUR)
# The same code of a second factor, within all the time it could be shown.
CODE_ONCE = Rule("code-once", 1, 120)
# Addresses that a signed-in person wants a code sent to.
MAIL_CHANGE = Rule("mail-change", 10, HOUR)
# Mail to one address, asked for from one device or network, and by all strangers.
MAIL = Rule("mail", 5, QUARTER)
MAIL_OF_STRANGERS = Rule("mail-of-strangers", 20, HOUR)
# Invitations to one address, whoever sends them; counted apart, so that nobody keeps a
# code from its owner by inviting them. And by one person.
MAIL_OF_INVITATIONS = Rule("mail-of-invitations", 5, HOUR)
MAIL_OF_INVITER = Rule("mail-of-inviter", 100, HOUR)


def take(rule: Rule, *parts: object) -> bool:
    """Count one try; False when there were too many.

    What is over its limit already is only read, so that a flood writes nothing.
    """
    key, now = key_of(rule, *parts), int(clock.now().timestamp())
    is_over = Attempt.objects.filter(key=key, count__gt=rule.most, ends_at__gt=now)
    if is_over.exists():
        return False
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [key, now + rule.seconds, now, now])
        return bool(cursor.fetchone()[0] <= rule.most)


# One statement, so that two processes never count the same try as one.
COUNT = """
INSERT INTO portal_attempt (key, count, ends_at) VALUES (%s, 1, %s)
ON CONFLICT (key) DO UPDATE SET
  count = CASE WHEN portal_attempt.ends_at <= %s THEN 1
          ELSE portal_attempt.count + 1 END,
  ends_at = CASE WHEN portal_attempt.ends_at <= %s THEN excluded.ends_at
            ELSE portal_attempt.ends_at END
RETURNING count
"""


def forget(rule: Rule, *parts: object) -> None:
    """Begin again, after a success."""
    Attempt.objects.filter(key=key_of(rule, *parts)).delete()


def purge() -> int:
    """Delete the counters whose time is over; how many."""
    now = int(clock.now().timestamp())
    return purging.purge(Attempt.objects.filter(ends_at__lte=now))


def allow_password(request: HttpRequest, name: str) -> bool:
    """Count one try of `name`'s password, before it is checked."""
    name = User.objects.normalize_email(name)
    device = devices.known(request, name)
    if device is None and not take(NETWORK, network_of(request)):
        return False
    return take(PASSWORD, device or network_of(request), name)


def forget_password(request: HttpRequest, name: str) -> None:
    """The password was right."""
    name = User.objects.normalize_email(name)
    forget(PASSWORD, devices.known(request, name) or network_of(request), name)


def allow_code(request: HttpRequest, user: User) -> bool:
    """Count one try of a second factor's code, before it is checked."""
    device = devices.known(request, user.email)
    if not take(CODE, device or network_of(request), user.pk):
        return False
    return device is not None or take(CODE_OF_STRANGERS, user.pk)


def forget_code(request: HttpRequest, user: User) -> None:
    """The code was right. What strangers tried stays counted: each of their codes was
    tried by somebody who knew the password."""
    device = devices.known(request, user.email)
    forget(CODE, device or network_of(request), user.pk)


def allow_mail(request: HttpRequest, address: str) -> bool:
    """Count one mail that somebody asked to be sent to `address`."""
    address = User.objects.normalize_email(address)
    device = devices.known(request, address)
    if not take(MAIL, device or network_of(request), address):
        return False
    return device is not None or take(MAIL_OF_STRANGERS, address)


def allow_invitation(user_id: int, address: str) -> bool:
    """Count one invitation that a person has sent to `address`."""
    by = take(MAIL_OF_INVITER, user_id)
    return by and take(MAIL_OF_INVITATIONS, User.objects.normalize_email(address))


def network_of(request: HttpRequest) -> str:
    return addresses.network_of(addresses.client_address(request.META))


def key_of(rule: Rule, *parts: object) -> str:
    """Of the counter's row."""
    text = "\n".join([rule.name, *map(str, parts)])
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
