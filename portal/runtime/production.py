"""What is right on a laptop and unsafe on a server stops the start there.

Production is where DEBUG is off and PUBLIC_URL names more than this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from portal.runtime import locations

SECRET_CHARACTERS_MIN = 32
DIFFERENT_CHARACTERS_MIN = 8


def is_production() -> bool:
    return not settings.DEBUG and not locations.is_loopback(settings.PUBLIC_URL)


@register()
def check_safety(**_: Any) -> Iterator[CheckMessage]:
    if settings.DEBUG and not locations.is_loopback(settings.PUBLIC_URL):
        yield Error(
            "DEBUG is on, and PUBLIC_URL is what others use: its pages show settings.",
            "Set DEBUG=false.",
            id="tollgate.E020",
        )
    if is_production():
        yield from _secrets()
        yield from _doors()
        yield from _processes()
    for unknown in settings.UNKNOWN_VARIABLES:
        is_wrong = bool(unknown.meant) and is_production()
        kind, level = (Error, "E") if is_wrong else (Warning, "W")
        yield kind(
            f"{unknown}.",
            "Correct its name, or take it out of the environment.",
            id=f"tollgate.{level}029",
        )


def _secrets() -> Iterator[CheckMessage]:
    key = settings.SECRET_KEY
    is_short = len(key) < SECRET_CHARACTERS_MIN
    if is_short or len(set(key)) < DIFFERENT_CHARACTERS_MIN:
        yield Error(
            "SECRET_KEY is short or simple: who guesses it signs in as anybody.",
            f"Set {SECRET_CHARACTERS_MIN} random characters or more: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'",
            id="tollgate.E021",
        )
    is_shared = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
    if is_shared and not settings.GIVEN_SECRET_KEY:
        yield Error(
            "DATABASE_URL is PostgreSQL's, and SECRET_KEY is not set: each machine "
            "would make its own, and nobody could read what another one sealed.",
            "Set the same SECRET_KEY on all machines; the one made so far is in "
            f"{settings.VAR_DIR / 'secret_key'}",
            id="tollgate.E022",
        )


def _doors() -> Iterator[CheckMessage]:
    if locations.is_in_clear(settings.UPSTREAM_BASE_URL):
        yield Error(
            "UPSTREAM_BASE_URL is http://: everybody between reads UPSTREAM_API_KEY.",
            "Use its https:// URL, or a TLS proxy on this machine.",
            id="tollgate.E023",
        )
    if locations.is_in_clear(settings.OIDC_ISSUER):
        yield Error(
            "OIDC_ISSUER is http://: who sits between decides who signs in.",
            "Use its https:// URL.",
            id="tollgate.E027",
        )
    yield from _mail()
    if "*" in settings.ALLOWED_HOSTS:
        yield Error(
            "ALLOWED_HOSTS is *: links in mails then lead wherever a request says.",
            "Leave it out: the host of PUBLIC_URL is allowed.",
            id="tollgate.E024",
        )
    if {"0.0.0.0/0", "::/0"} & set(settings.TRUSTED_PROXIES):
        yield Error(
            "TRUSTED_PROXIES is everybody: each client would choose its address.",
            "Set the addresses or networks of your own proxies: 10.0.0.0/8",
            id="tollgate.E025",
        )
    is_test = settings.STRIPE_SECRET_KEY.startswith(("sk_test_", "rk_test_"))
    if is_test and not settings.USES_SANDBOX:
        yield Warning(
            "STRIPE_SECRET_KEY is of Stripe's test mode: credits are bought with cards"
            " that cost nothing, and the upstream is real.",
            "Set the live key where others may buy.",
            id="tollgate.W021",
        )
    if not settings.IS_HTTPS:
        yield Warning(
            "PUBLIC_URL is http://: everybody between reads passwords and keys.",
            "Put a proxy with TLS in front, and set PUBLIC_URL=https://…",
            id="tollgate.W020",
        )


def _mail() -> Iterator[CheckMessage]:
    """How what mails are sent with goes over the network."""
    provider = settings.ANYMAIL.get(f"{settings.MAIL_PROVIDER.upper()}_API_URL", "")
    if locations.is_in_clear(provider):
        yield Error(
            "EMAIL_PROVIDER_URL is http://: everybody between reads EMAIL_PROVIDER_KEY"
            " and codes of sign-ins.",
            "Use its https:// URL.",
            id="tollgate.E028",
        )
    is_open = not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL)
    server = f"smtp://{locations.in_url(settings.EMAIL_HOST)}"
    if settings.EMAIL_HOST_PASSWORD and is_open and not locations.is_loopback(server):
        yield Error(
            "EMAIL_URL has a password, and no TLS: everybody between reads it.",
            "Set EMAIL_URL=smtp+tls://…, or smtp+ssl://…",
            id="tollgate.E028",
        )


def _processes() -> Iterator[CheckMessage]:
    if settings.WEB_CONCURRENCY > 1 and not settings.REDIS_URL:
        yield Error(
            "WEB_CONCURRENCY is more than 1 without REDIS_URL: each process would "
            "count requests and tokens a minute for itself.",
            "Set REDIS_URL=redis://…, or WEB_CONCURRENCY=1.",
            id="tollgate.E026",
        )
