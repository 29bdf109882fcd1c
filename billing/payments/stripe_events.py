"""Stripe's events and objects, read as reports; and whether a webhook is Stripe's.

An event's object is as it was when the event was made. What is said here stays true
whatever comes later, so that events may come in any order.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import stripe

from billing.models.topup import Dispute, ProviderName
from billing.payments.provider import Told
from billing.payments.report import Report, Said

TOLERANCE_SECONDS = 300
SECRET_BYTES_MIN = 24
Object = Mapping[str, Any]

REFUND_FAILED = "refund.failed"
DISPUTES = {
    "needs_response": Dispute.OPEN,
    "under_review": Dispute.OPEN,
    "won": Dispute.WON,
    "lost": Dispute.LOST,
}


class NotFromStripe(Exception):
    """The signature is missing, wrong or old, or the body is no event."""


def is_usable(secret: str) -> bool:
    """Whether a secret is there, and long enough that nobody guesses it."""
    return len(secret.strip().encode()) >= SECRET_BYTES_MIN


def read(body: bytes, signature: str, secret: str) -> Told:
    """A webhook's raw body, by its `Stripe-Signature`.

    Raises: NotFromStripe; ValueError for a secret that is not usable.
    """
    if not is_usable(secret):
        raise ValueError("no webhook secret")
    try:
        stripe.WebhookSignature.verify_header(
            body, signature, secret, tolerance=TOLERANCE_SECONDS
        )
        _refuse_future(signature)
        return told(json.loads(body))
    except stripe.SignatureVerificationError as error:
        raise NotFromStripe("signature") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotFromStripe("no event") from error


def _refuse_future(signature: str) -> None:
    """The SDK looks for old ones only. Raises: ValueError."""
    times = [part[2:] for part in signature.split(",") if part.startswith("t=")]
    if int(times[0]) > time.time() + TOLERANCE_SECONDS:
        raise ValueError("from the future")


def told(event: Object) -> Told:
    """An event as Stripe writes it. Raises: KeyError, TypeError, ValueError."""
    kind, at = str(event["type"])[:80], _time(event["created"])
    reader = READERS.get(kind)
    found = reader(event["data"]["object"], at) if reader else None
    failed = str(event["data"]["object"]["id"]) if kind == REFUND_FAILED else ""
    alarm = f"the refund {failed} failed: give its credits back" if failed else ""
    return Told(str(event["id"])[:255], kind, at, found, alarm[:200], failed)


# --- objects --------------------------------------------------------------------------


def of_session(session: Object, at: datetime) -> Report | None:
    """A Checkout Session: nothing, while it is open."""
    if session.get("mode") != "payment":
        return None
    if session.get("payment_status") in ("paid", "no_payment_required"):
        return _session(Said.PAID, session, at)
    if session.get("status") == "expired":
        return _session(Said.EXPIRED, session, at)
    if session.get("status") == "complete":
        return _session(Said.UNPAID, session, at)
    return None


def of_failed_session(session: Object, at: datetime) -> Report | None:
    """One whose money did not come."""
    return _session(Said.FAILED, session, at, reason="the payment failed")


def of_intent(intent: Object, at: datetime) -> Report | None:
    """A Payment Intent of an automatic top-up; that of a session is the session's."""
    if _metadata(intent).get("automatic") != "1":
        return None
    if intent.get("status") == "succeeded":
        return _intent(
            Said.PAID, intent, at, amount_minor=_int(intent, "amount_received")
        )
    if intent.get("status") == "processing":
        return _intent(Said.UNPAID, intent, at)
    error = intent.get("last_payment_error") or {}
    reason = str(error.get("code") or intent.get("status") or "declined")
    return _intent(Said.FAILED, intent, at, reason=reason[:200])


def of_charge(charge: Object, at: datetime) -> Report | None:
    """A charge that was refunded, in part or whole; the sum of all refunds."""
    return _of_payment(
        Said.REFUNDED, charge, at, refunded_minor=_int(charge, "amount_refunded")
    )


def of_dispute(dispute: Object, at: datetime) -> Report | None:
    """A dispute; an inquiry (`warning_…`) takes no money, and says nothing."""
    state = DISPUTES.get(str(dispute.get("status")))
    if state is None:
        return None
    amount = _int(dispute, "amount")
    return _of_payment(
        Said.DISPUTED,
        dispute,
        at,
        disputed_minor=amount,
        dispute=state,
        dispute_ref=str(dispute["id"])[:255],
    )


READERS: dict[str, Callable[[Object, datetime], Report | None]] = {
    "checkout.session.completed": of_session,
    "checkout.session.async_payment_succeeded": of_session,
    "checkout.session.async_payment_failed": of_failed_session,
    "checkout.session.expired": of_session,
    "payment_intent.succeeded": of_intent,
    "payment_intent.payment_failed": of_intent,
    "payment_intent.canceled": of_intent,
    "charge.refunded": of_charge,
    "charge.dispute.created": of_dispute,
    "charge.dispute.updated": of_dispute,
    "charge.dispute.closed": of_dispute,
    "charge.dispute.funds_withdrawn": of_dispute,
    "charge.dispute.funds_reinstated": of_dispute,
}


# --- their parts ----------------------------------------------------------------------


def _session(said: Said, session: Object, at: datetime, *, reason: str = "") -> Report:
    details = session.get("customer_details") or {}
    totals = session.get("total_details") or {}
    tax_ids = details.get("tax_ids") or []
    metadata = _metadata(session)
    return Report(
        said,
        ProviderName.STRIPE.value,
        # Both name the order: where they differ, it fits neither.
        topup_id=_agreed(session.get("client_reference_id"), metadata.get("topup")),
        account_id=str(metadata.get("account", "")),
        currency=str(session.get("currency") or ""),
        happened_at=at,
        provider_ref=str(session["id"]),
        payment_ref=_id(session.get("payment_intent")),
        amount_minor=_int(session, "amount_total"),
        tax_minor=_int(totals, "amount_tax"),
        reason=reason,
        customer_ref=_id(session.get("customer")),
        buyer_name=_text(details.get("business_name") or details.get("name"), 200),
        buyer_address=_text(_address(details.get("address") or {}), 500),
        buyer_tax_id=_text(tax_ids[0].get("value") if tax_ids else "", 64),
    )


def _intent(
    said: Said, intent: Object, at: datetime, *, amount_minor: int = 0, reason: str = ""
) -> Report:
    metadata = _metadata(intent)
    return Report(
        said,
        ProviderName.STRIPE.value,
        topup_id=str(metadata.get("topup", "")),
        account_id=str(metadata.get("account", "")),
        currency=str(intent.get("currency") or ""),
        happened_at=at,
        provider_ref=str(intent["id"]),
        payment_ref=str(intent["id"]) if said == Said.PAID else "",
        amount_minor=amount_minor,
        reason=reason,
        customer_ref=_id(intent.get("customer")),
        method_ref=_id(intent.get("payment_method")),
    )


def _of_payment(
    said: Said,
    found: Object,
    at: datetime,
    *,
    refunded_minor: int = 0,
    disputed_minor: int = 0,
    dispute: Dispute = Dispute.NONE,
    dispute_ref: str = "",
) -> Report:
    metadata = _metadata(found)
    return Report(
        said,
        ProviderName.STRIPE.value,
        topup_id=str(metadata.get("topup", "")),
        account_id=str(metadata.get("account", "")),
        currency=str(found.get("currency") or ""),
        happened_at=at,
        payment_ref=_id(found.get("payment_intent")),
        refunded_minor=refunded_minor,
        disputed_minor=disputed_minor,
        dispute=dispute,
        dispute_ref=dispute_ref,
    )


def _metadata(found: Object) -> Object:
    value: Object = found.get("metadata") or {}
    return value


def _agreed(first: object, second: object) -> str:
    named = {str(each) for each in (first, second) if each}
    return named.pop() if len(named) == 1 else ""


def _id(value: Any) -> str:
    """An id, also where the object itself is given."""
    if isinstance(value, Mapping):
        return str(value.get("id", ""))
    return str(value or "")


def _int(found: Object, name: str) -> int:
    """Raises: ValueError for what is no whole number: money is one."""
    value = found.get(name) or 0
    if type(value) is not int:
        raise ValueError(f"{name} is no whole number")
    return value


def _time(value: object) -> datetime:
    if type(value) is not int:
        raise ValueError("no time")
    return datetime.fromtimestamp(value, UTC)


def _address(address: Object) -> str:
    names = ("line1", "line2", "postal_code", "city", "state", "country")
    return "\n".join(str(address[name]) for name in names if address.get(name))


def _text(value: object, most: int) -> str:
    return str(value or "").replace("\0", "")[:most]
