"""What the ledger and the keys refuse, in words that say what to do about it."""

from __future__ import annotations

from django.conf import settings

from billing import errors as ledger_errors
from billing.amounts import credits_text
from portal.errors import KeyRefused
from portal.keys import Identity
from proxy.errors import AUTHENTICATION, PERMISSION, QUOTA, RATE, GatewayError


def key_refused(error: KeyRefused) -> GatewayError:
    """401 for a key that may not pass."""
    return GatewayError(401, AUTHENTICATION, error.code, str(error))


def key_missing() -> GatewayError:
    """401 for a request without a key."""
    return GatewayError(
        401,
        AUTHENTICATION,
        "missing_api_key",
        "No API key: send it as 'Authorization: Bearer tg_live_…'.",
    )


def organization_suspended() -> GatewayError:
    """403: the tenant as a whole is stopped."""
    return GatewayError(
        403,
        PERMISSION,
        "organization_suspended",
        "This organization is suspended. Ask your operator.",
    )


def shortfall(
    error: ledger_errors.InsufficientCredits, identity: Identity
) -> GatewayError:
    """402, or 429 when it is enough as soon as running calls have settled."""
    required, available, held = (
        credits_text(micros)
        for micros in (
            error.required_micros,
            error.available_micros,
            error.held_micros,
        )
    )
    metadata = {
        "required_credits": required,
        "available_credits": available,
        "held_credits": held,
        "limit_source": "organization",
    }
    if isinstance(error, ledger_errors.CreditsOnHold):
        return GatewayError(
            429,
            RATE,
            "credits_on_hold",
            f"This request needs up to {required} credits; {available} are available "
            f"now and {held} are held for calls still running. Try again when they "
            "have settled.",
            should_retry=None,
            retry_after_seconds=2,
            metadata=metadata,
        )
    page = f"{settings.PUBLIC_URL}/o/{identity.organization_slug}/"
    return GatewayError(
        402,
        QUOTA,
        "insufficient_credits",
        f"402: this request needs up to {required} credits; {available} are available"
        f" ({held} held for running calls). Lower max_tokens, or add credits: {page}",
        metadata=metadata,
    )
