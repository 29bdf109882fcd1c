"""Who else wants to know that a top-up has changed: the audit trail is a layer above.

Listeners are called inside the transaction of the change.
"""

from __future__ import annotations

from collections.abc import Callable

from billing import outbox
from billing.models import TopUp
from billing.models.topup import TopUpStatus
from billing.payments import standing_orders

# The top-up as it is now, what it has become, what it was before, and who said so.
Listener = Callable[[TopUp, str, str, str], None]
listeners: list[Listener] = []

EVENTS = {
    TopUpStatus.PAID: "topup.paid",
    TopUpStatus.FAILED: "topup.failed",
    TopUpStatus.REFUNDED: "topup.refunded",
    TopUpStatus.DISPUTED: "topup.disputed",
}
AUTOMATIC = {
    TopUpStatus.PAID: "auto_topup.succeeded",
    TopUpStatus.FAILED: "auto_topup.failed",
}


def listen(listener: Listener) -> None:
    """Call it at each change, once however often it is registered."""
    if listener not in listeners:
        listeners.append(listener)


def tell(topup: TopUp, before: str, by: str) -> None:
    """Say that its status is another one now."""
    status = TopUpStatus(topup.status)
    names = [EVENTS.get(status)]
    if topup.is_automatic and before == TopUpStatus.PENDING:
        names.append(AUTOMATIC.get(status))
    for name in names:
        if name is not None:
            # A dispute may end, and another begin: each change is an event.
            key = f"{topup.public_id}:{topup.changes}"
            outbox.emit(topup.account_id, name, describe(topup), key=key)
    standing_orders.follow(topup, before)
    for listener in listeners:
        listener(topup, topup.status, before, by)


def tell_part(topup: TopUp, by: str) -> None:
    """Say that more of it was paid back, and not all: its status is the same."""
    refunded = TopUpStatus.REFUNDED
    key = f"{topup.public_id}:refunded:{topup.refunded_minor}"
    outbox.emit(topup.account_id, EVENTS[refunded], describe(topup), key=key)
    for listener in listeners:
        listener(topup, refunded, topup.status, by)


def describe(topup: TopUp) -> dict[str, str | int | bool | None]:
    """A top-up for programs: nothing of its buyer."""
    return {
        "id": topup.public_id,
        "object": "topup",
        "status": topup.status,
        "provider": topup.provider,
        "credits_micros": topup.amount_micros,
        "price_minor": topup.price_minor,
        "tax_minor": topup.tax_minor,
        "currency": topup.currency,
        "refunded_minor": topup.refunded_minor,
        "automatic": topup.is_automatic,
        "receipt_number": topup.receipt_number,
        "reason": topup.reason,
    }
