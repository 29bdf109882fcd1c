"""What the ledger and the keys refuse, in words that say what to do about it."""

from __future__ import annotations

from django.conf import settings

from billing.values import errors as ledger_errors
from billing.values.amounts import credits_text
from portal.tenants.errors import KeyRefused
from portal.tenants.keys import Identity
from proxy.http.errors import (
    AUTHENTICATION,
    CONFLICT,
    INVALID,
    PERMISSION,
    QUOTA,
    RATE,
    GatewayError,
)


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


def request_in_progress() -> GatewayError:
    """409 that every SDK tries again by itself."""
    return GatewayError(
        409,
        CONFLICT,
        "request_in_progress",
        "This request was sent before and is still running. Ask again shortly: it "
        "is not made twice.",
        should_retry=None,
        retry_after_seconds=1,
    )


def already_completed(request_id: str, charged_micros: int) -> GatewayError:
    """409: done and charged, and its answer is not to be had any more."""
    charged = credits_text(charged_micros)
    return GatewayError(
        409,
        CONFLICT,
        "already_completed",
        f"This request was sent before: {request_id} has completed and was charged "
        f"{charged} credits. Its answer is no longer here, and it is not made twice. "
        f"See GET /v1/requests/{request_id}.",
        metadata={"request_id": request_id, "charged_credits": charged},
    )


def earlier_in_doubt(request_id: str) -> GatewayError:
    """409: sent before, and nobody knows yet what the upstream did."""
    return GatewayError(
        409,
        CONFLICT,
        "upstream_ambiguous",
        f"This request was sent before, and how {request_id} ended is not known yet. "
        f"It is not made twice. See GET /v1/requests/{request_id}.",
        metadata={"request_id": request_id},
    )


def idempotency_mismatch() -> GatewayError:
    """422: the key stands for another request."""
    return GatewayError(
        422,
        INVALID,
        "idempotency_mismatch",
        "This Idempotency-Key was used for another request. Use a new key for each "
        "request, and the same key only to send it again unchanged.",
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
