"""`manage.py check`: refuses settings that do not fit together, and says what to set.

Of each alone `variables.py` has made sense already; what is unsafe where others come in
is refused by `production.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from billing.payments import prices
from portal.documents import storage
from portal.notices.deliveries import retry_seconds
from portal.runtime import locations
from portal.signing_in import groups

RETRY_SECONDS_MAX = 2_592_000


@register()
def check_settings(**_: Any) -> Iterator[CheckMessage]:
    if not settings.UPSTREAM_API_KEY:
        yield Error(
            "UPSTREAM_BASE_URL is set, UPSTREAM_API_KEY is not.",
            "Set the key that the upstream gave you, or neither variable.",
            id="tollgate.E002",
        )
    try:
        pauses = retry_seconds()
        if not pauses or not all(0 < each <= RETRY_SECONDS_MAX for each in pauses):
            raise ValueError
    except ValueError:
        yield Error(
            f"WEBHOOK_RETRY_SECONDS is {settings.WEBHOOK_RETRY_SECONDS[:200]!r}.",
            "Set whole seconds with commas between them: 5,300,1800",
            id="tollgate.E003",
        )
    if settings.EXPORT_STORAGE_URL and not storage.is_installed():
        yield Error(
            "EXPORT_STORAGE_URL is set, and obstore is not installed: no export would"
            " go there.",
            "Run pip install 'tollgate[storage]', or leave it out.",
            id="tollgate.E016",
        )
    if "@" not in parseaddr(settings.DEFAULT_FROM_EMAIL)[1]:
        yield Error(
            f"EMAIL_FROM is {settings.DEFAULT_FROM_EMAIL[:200]!r}, without an address.",
            "Set one such as Tollgate <tollgate@example.com>",
            id="tollgate.E004",
        )


@register()
def check_payments(**_: Any) -> Iterator[CheckMessage]:
    if settings.PAYMENT_CURRENCY.lower() not in prices.DECIMALS:
        yield Error(
            f"PAYMENT_CURRENCY is {settings.PAYMENT_CURRENCY[:20]!r}.",
            f"Set one of {', '.join(sorted(prices.DECIMALS))}.",
            id="tollgate.E005",
        )
        return
    try:
        if not prices.price_per_credit(settings.CREDIT_PRICE, prices.currency()):
            raise ValueError
    except ValueError:
        yield Error(
            f"CREDIT_PRICE is {settings.CREDIT_PRICE[:20]!r}.",
            "Set the price of one credit with a point and no currency: 0.01",
            id="tollgate.E006",
        )
    try:
        prices.packs()
    except ValueError as error:
        yield Error(
            f"CREDIT_PACKS: {str(error)[:200]}.",
            "Set credits=price with commas between several: 1000=10,5000=48",
            id="tollgate.E007",
        )
    if settings.TOPUP_CREDITS_MIN > settings.TOPUP_CREDITS_MAX:
        yield Error(
            "TOPUP_CREDITS_MIN is more than TOPUP_CREDITS_MAX.",
            "Set the least below the most.",
            id="tollgate.E008",
        )
    if locations.is_in_clear(settings.STRIPE_API_BASE):
        yield Error(
            "STRIPE_API_BASE is http://: everybody between reads STRIPE_SECRET_KEY.",
            "Leave it out, or name a stand-in: http://127.0.0.1:8002",
            id="tollgate.E015",
        )
    key = settings.STRIPE_SECRET_KEY
    if key and not key.startswith(("sk_", "rk_")):
        yield Error(
            "STRIPE_SECRET_KEY is not a secret key of Stripe's.",
            "Set the one that begins with sk_ or rk_, not the publishable one.",
            id="tollgate.E009",
        )


@register()
def check_people(**_: Any) -> Iterator[CheckMessage]:
    try:
        groups.lines()
    except ValueError as error:
        yield Error(
            f"OIDC_GROUPS: {error}.",
            "Set group=role@organization, with commas between several; a role is owner,"
            " admin, developer, billing or viewer.",
            id="tollgate.E011",
        )
    if not settings.OIDC_ISSUER:
        names = ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_GROUPS")
        if given := [name for name in names if getattr(settings, name)]:
            yield Error(
                f"{' and '.join(given)} is set, OIDC_ISSUER is not.",
                "Set the issuer's URL, or none of these variables.",
                id="tollgate.E012",
            )
        return
    if not (settings.OIDC_CLIENT_ID and settings.OIDC_CLIENT_SECRET):
        yield Error(
            "OIDC_ISSUER is set, OIDC_CLIENT_ID or OIDC_CLIENT_SECRET is not.",
            "Set what the issuer gave you; the address to come back to is"
            f" {settings.PUBLIC_URL}/account/sso/sso/back",
            id="tollgate.E014",
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
    if settings.MAIL_BACKEND.endswith("console.EmailBackend"):
        yield Warning(
            "Mail is written to the console: nobody gets a code or an invitation.",
            "Set EMAIL_URL=smtp+tls://user:password@mail.example.com:587, and"
            " EMAIL_FROM.",
            id="tollgate.W005",
        )
    if settings.OIDC_ISSUER.startswith("http://"):
        yield Warning(
            "OIDC_ISSUER is asked without TLS: who sits between decides who signs in.",
            "Use its https URL.",
            id="tollgate.W006",
        )
