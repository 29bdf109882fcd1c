"""`manage.py check`: refuses settings that cannot work, and says what to set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from billing.payments import prices
from portal.signing_in import groups, sign_up
from portal.tenants import addresses

WEBHOOK_SECRET_BYTES_MIN = 24
# setting → (least, most)
BOUNDS = {
    "PORT": (1, 65_535),
    "SANDBOX_PORT": (1, 65_535),
    "WEB_CONCURRENCY": (1, 256),
    "UPSTREAM_CONNECT_SECONDS": (1, 120),
    "UPSTREAM_IDLE_SECONDS": (1, 3_600),
    "UPSTREAM_TOTAL_SECONDS": (1, 7_200),
    "UPSTREAM_CONNECTIONS_MAX": (1, 65_535),
    "UPSTREAM_REPLY_BYTES_MAX": (1_024, 2**32),
    "MEDIA_BYTES_MAX": (1_024, 2**30),
    "MEDIA_SECONDS_MAX": (1, 3_600),
    "GATEWAY_BODY_BYTES_MAX": (1_024, 2**30),
    "GATEWAY_UPLOAD_BYTES_MAX": (1_024, 2**30),
    "GATEWAY_BODY_SECONDS_MAX": (1, 3_600),
    "GATEWAY_UPLOADS_MAX": (1, 4_096),
    "ENVELOPES_OPEN_MAX": (1, 1_000_000),
    "TRANSCRIPTION_URL_SECONDS_MAX": (1, 1_000_000),
    "DRAIN_SECONDS": (0, 3_600),
    "DRAIN_MAX": (0, 65_535),
    "SHUTDOWN_SECONDS": (1, 14_400),
    "LEASE_SECONDS": (2, 3_600),
    "IN_DOUBT_SECONDS": (0, 604_800),
    "SWEEP_SECONDS": (1, 3_600),
    "JOB_SECONDS_MAX": (60, 2_592_000),
    "JOB_POLL_SECONDS": (1, 3_600),
    "JOB_POLLS_MAX": (0, 65_535),
    "JOB_REPLY_SECONDS": (3_600, 315_360_000),
    "UNPRICED_CREDITS": (0, 1_000_000),
    "BORNE_MODEL_CREDITS_MAX": (0, 1_000_000_000),
    "BORNE_ORGANIZATION_CREDITS_MAX": (0, 1_000_000_000),
    "SIGNUP_CREDITS": (0, 1_000_000_000),
    "TOPUP_CREDITS_MIN": (1, 100_000_000),
    "TOPUP_CREDITS_MAX": (1, 100_000_000),
    "PAYMENT_SWEEP_SECONDS": (1, 3_600),
}

UPSTREAM_KEY_LENGTH_MIN = 8


@register()
def check_settings(**_: Any) -> Iterator[CheckMessage]:
    upstream = urlsplit(settings.UPSTREAM_BASE_URL)
    if not is_http(upstream):
        yield Error(
            "UPSTREAM_BASE_URL is not an http(s) URL.",
            "Example: https://api.example.com/api/v1",
            id="tollgate.E001",
        )
    if upstream.username or upstream.password or upstream.query or upstream.fragment:
        yield Error(
            "UPSTREAM_BASE_URL carries more than scheme, host and path.",
            "The key belongs in UPSTREAM_API_KEY.",
            id="tollgate.E003",
        )
    if not is_http(urlsplit(settings.PUBLIC_URL)):
        yield Error(
            "PUBLIC_URL is not an http(s) URL.",
            "Example: https://ai.example.com",
            id="tollgate.E004",
        )
    for name, (least, most) in BOUNDS.items():
        # E.g. seconds given as milliseconds.
        if not least <= (value := getattr(settings, name)) <= most:
            yield Error(
                f"{name} is {value}; it must be from {least} to {most}.",
                f"Set {name} within that range, or leave it out for the default.",
                id="tollgate.E005",
            )
    engine = settings.DATABASES["default"]["ENGINE"]
    if not engine.endswith(("sqlite3", "postgresql")):
        yield Error(
            f"DATABASE_URL names an unsupported database ({engine}).",
            "Use sqlite:///… or postgres://…",
            id="tollgate.E006",
        )
    try:
        addresses.networks(tuple(settings.TRUSTED_PROXIES))
    except ValueError as error:
        yield Error(
            f"TRUSTED_PROXIES: {error}.",
            "Set addresses or networks: 10.0.0.0/8,192.0.2.7",
            id="tollgate.E008",
        )


@register()
def check_upstream(**_: Any) -> Iterator[CheckMessage]:
    if not settings.UPSTREAM_API_KEY:
        yield Error(
            "UPSTREAM_BASE_URL is set, UPSTREAM_API_KEY is not.",
            "Set the key that the upstream gave you, or neither variable.",
            id="tollgate.E002",
        )
    # Not to be told apart from ordinary words, so it could not be kept out of replies.
    elif len(settings.UPSTREAM_API_KEY) < UPSTREAM_KEY_LENGTH_MIN:
        yield Error(
            f"UPSTREAM_API_KEY has fewer than {UPSTREAM_KEY_LENGTH_MIN} characters.",
            "Set the whole key that the upstream gave you.",
            id="tollgate.E009",
        )
    # Any other word would silently count as `forward`.
    if settings.UPSTREAM_TOOLS not in ("forward", "refuse"):
        yield Error(
            f"UPSTREAM_TOOLS is {settings.UPSTREAM_TOOLS!r}.",
            "Set forward or refuse, or leave it out for forward.",
            id="tollgate.E007",
        )


@register()
def check_people(**_: Any) -> Iterator[CheckMessage]:
    if settings.SIGNUP not in (sign_up.OPEN, sign_up.INVITATION, sign_up.CLOSED):
        yield Error(
            f"SIGNUP is {settings.SIGNUP!r}.",
            "Set open, invitation or closed, or leave it out for invitation.",
            id="tollgate.E010",
        )
    try:
        lines = groups.lines()
    except ValueError as error:
        lines = []
        yield Error(
            f"OIDC_GROUPS: {error}.",
            "Set group=role@organization, with commas between several; a role is owner,"
            " admin, developer, billing or viewer.",
            id="tollgate.E011",
        )
    if not settings.OIDC_ISSUER:
        if settings.OIDC_CLIENT_ID or settings.OIDC_CLIENT_SECRET or lines:
            yield Error(
                "OIDC_… is set, OIDC_ISSUER is not.",
                "Set the issuer's URL, or none of these variables.",
                id="tollgate.E012",
            )
        return
    if not is_http(urlsplit(settings.OIDC_ISSUER)):
        yield Error(
            "OIDC_ISSUER is not an http(s) URL.",
            "Example: https://login.example.com/realms/team",
            id="tollgate.E013",
        )
    if not (settings.OIDC_CLIENT_ID and settings.OIDC_CLIENT_SECRET):
        yield Error(
            "OIDC_ISSUER is set, OIDC_CLIENT_ID or OIDC_CLIENT_SECRET is not.",
            "Set what the issuer gave you; the address to come back to is"
            f" {settings.PUBLIC_URL}/account/sso/sso/back",
            id="tollgate.E014",
        )


@register()
def check_payments(**_: Any) -> Iterator[CheckMessage]:
    try:
        price = prices.price_per_credit(settings.CREDIT_PRICE, prices.currency())
        prices.packs()
    except ValueError as error:
        price = 1
        yield Error(
            f"Credits cannot be sold: {error}.",
            "Set CREDIT_PRICE=0.01, CREDIT_PACKS=1000=10,5000=48 (credits=price) and"
            " PAYMENT_CURRENCY=usd.",
            id="tollgate.E020",
        )
    if not price or settings.TOPUP_CREDITS_MIN > settings.TOPUP_CREDITS_MAX:
        yield Error(
            "CREDIT_PRICE is 0, or TOPUP_CREDITS_MIN above TOPUP_CREDITS_MAX.",
            "Set a price, and a range that has amounts in it.",
            id="tollgate.E021",
        )
    base = urlsplit(settings.STRIPE_API_BASE)
    is_loopback = base.hostname in ("127.0.0.1", "::1", "localhost")
    if settings.STRIPE_API_BASE and not (
        is_http(base) and (base.scheme == "https" or is_loopback)
    ):
        yield Error(
            "STRIPE_API_BASE is no https URL, and not on this machine.",
            "Leave it out, or name a stand-in: http://127.0.0.1:8002",
            id="tollgate.E022",
        )
    secret = settings.STRIPE_WEBHOOK_SECRET
    if secret and len(secret.strip().encode()) < WEBHOOK_SECRET_BYTES_MIN:
        yield Error(
            "STRIPE_WEBHOOK_SECRET is too short: anybody may guess it.",
            "Set the signing secret of the endpoint, whsec_…",
            id="tollgate.E023",
        )


@register(deploy=True)
def check_production(**_: Any) -> Iterator[CheckMessage]:
    """Warns of what is right on a laptop and wrong on a server (`check --deploy`)."""
    if settings.USES_SANDBOX:
        yield Warning(
            "The sandbox stands in for the upstream.",
            "Set UPSTREAM_BASE_URL and UPSTREAM_API_KEY.",
            id="tollgate.W001",
        )
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        yield Warning(
            "SQLite takes one writer at a time, on one machine.",
            "Set DATABASE_URL=postgres://… for more than one machine.",
            id="tollgate.W002",
        )
    if settings.SHUTDOWN_SECONDS < settings.UPSTREAM_TOTAL_SECONDS:
        yield Warning(
            "SHUTDOWN_SECONDS is shorter than a call may last.",
            "A stop then cuts calls that the upstream charges for: leave it out, or set"
            " it to UPSTREAM_TOTAL_SECONDS or more.",
            id="tollgate.W003",
        )
    if settings.WEB_CONCURRENCY > 1 and not settings.REDIS_URL:
        yield Warning(
            "Each of several server processes counts requests and tokens a minute.",
            "Set REDIS_URL, so that they count together.",
            id="tollgate.W004",
        )
    if settings.MAIL_BACKEND.endswith("console.EmailBackend"):
        yield Warning(
            "Mail is written to the console: nobody gets a code or an invitation.",
            "Set EMAIL_URL=smtp+tls://user:password@mail.example.com:587, and"
            " EMAIL_FROM.",
            id="tollgate.W005",
        )
    if settings.STRIPE_SECRET_KEY and not settings.STRIPE_WEBHOOK_SECRET:
        yield Warning(
            "STRIPE_SECRET_KEY is set, STRIPE_WEBHOOK_SECRET is not.",
            "Credits come with the next sweep only: register"
            f" {settings.PUBLIC_URL}/payments/stripe/webhook at Stripe.",
            id="tollgate.W010",
        )
    if settings.OIDC_ISSUER.startswith("http://"):
        yield Warning(
            "OIDC_ISSUER is asked without TLS: who sits between decides who signs in.",
            "Use its https URL.",
            id="tollgate.W006",
        )


def is_http(url: SplitResult) -> bool:
    return url.scheme in ("http", "https") and bool(url.hostname)
