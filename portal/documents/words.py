"""What the figures of a statement are called, on pages and in PDF."""

from __future__ import annotations

from typing import Any

from billing.reports.explain import Why
from billing.values.amounts import credits_text

SUMS = (
    ("opening", "Opening"),
    ("top_ups", "Top-ups"),
    ("grants", "Grants"),
    ("usage", "Usage, taken off"),
    ("expiry", "Expired, taken off"),
    ("corrections", "Corrections"),
    ("closing", "Closing"),
)
WORDS = {
    Why.PURCHASE: "Credits bought",
    Why.PROMOTION: "Promotional credits",
    Why.TRIAL: "Trial credits",
    Why.ADJUSTMENT: "Granted by adjustment",
    Why.CREDIT: "Credited",
    Why.USAGE: "Calls",
    Why.CORRECTION: "Corrected prices",
    Why.REFUND: "Refunds",
    Why.EXPIRE: "Expired",
    Why.DEBIT: "Debited",
    Why.REVERSAL: "Grants taken back",
    Why.CLAWBACK: "Taken back",
    Why.REPAYMENT: "Debt paid",
}
HEADINGS = {"model": "model", "key": "key", "project": "project", "holder": "member"}
Line = tuple[str, int, str]


def lines_of(figures: dict[str, Any]) -> list[Line]:
    """Label, how many, credits."""
    return [
        (WORDS[Why(line["why"])], line["count"], credits_text(line["amount_micros"]))
        for line in figures.get("lines", [])
    ]


def shares_of(figures: dict[str, Any]) -> list[tuple[str, list[Line]]]:
    """What was charged by each model, key …, the most first."""
    return [
        (
            HEADINGS[by],
            [
                (
                    share["label"] or "—",
                    share["requests"],
                    credits_text(share["charged_micros"]),
                )
                for share in shares
            ],
        )
        for by, shares in figures.get("charged", {}).items()
    ]
