"""What a payment provider says of one order, as a plain value, whoever he is.

It says one thing that is true for ever ("was paid", "so much is refunded by now"), so
that reports may come twice and in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing.models.topup import Dispute


class Said(StrEnum):
    """What is said."""

    PAID = "paid"
    UNPAID = "unpaid"  # the buyer is through, the money will come, or not
    FAILED = "failed"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    DISPUTED = "disputed"


# What is said of a payment, not of an order.
OF_PAYMENTS = frozenset({Said.REFUNDED, Said.DISPUTED})


@dataclass(frozen=True, slots=True)
class Report:
    """Amounts in minor units of `currency`. Empty, or zero: it is not said."""

    said: Said
    provider: str
    topup_id: str  # as `TopUp.public_id` has it
    account_id: str
    currency: str
    happened_at: datetime
    provider_ref: str = ""  # the order's name at the provider
    payment_ref: str = ""  # the payment's
    amount_minor: int = 0  # paid, with tax
    tax_minor: int = 0
    # Of the payment, in sum.
    refunded_minor: int = 0
    disputed_minor: int = 0
    dispute: Dispute = Dispute.NONE
    dispute_ref: str = ""  # which: there may be one after another
    reason: str = ""
    # Of the buyer, for the receipt and for automatic top-ups; kept with the order only.
    customer_ref: str = ""
    method_ref: str = ""
    buyer_name: str = ""
    buyer_address: str = ""
    buyer_tax_id: str = ""


# What of a report may wait in an event's row: no person.
KEPT = (
    *("said", "provider", "topup_id", "account_id", "currency", "provider_ref"),
    *("payment_ref", "amount_minor", "tax_minor", "refunded_minor", "disputed_minor"),
    *("dispute", "dispute_ref", "reason"),
)


def to_json(report: Report) -> dict[str, str | int]:
    """For the row of an event."""
    found = {name: getattr(report, name) for name in KEPT}
    return {
        **{
            name: value if isinstance(value, int) else str(value)
            for name, value in found.items()
        },
        "happened_at": report.happened_at.isoformat(),
    }


def from_json(stored: dict[str, str | int]) -> Report:
    """What `to_json` has written."""
    values: dict[str, str | int] = {name: stored[name] for name in KEPT}
    typed = {
        **values,
        "said": Said(str(values["said"])),
        "dispute": Dispute(str(values["dispute"])),
        "happened_at": datetime.fromisoformat(str(stored["happened_at"])),
    }
    return Report(**typed)  # type: ignore[arg-type]
