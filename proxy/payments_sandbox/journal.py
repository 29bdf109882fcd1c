"""What money moved: the sandbox's own record, to compare with what was granted.

kind        amount
taken       was paid by the customer
returned    a refund gave it back
disputed    the bank took it back
kept        that refund failed later
won         the bank gave it to us again
"""

from __future__ import annotations

from typing import Any

SIGNS = {"taken": 1, "won": 1, "kept": 1, "returned": -1, "disputed": -1}


class Journal:
    """Entries in order; `entries` is kept with the state."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def append(self, kind: str, charge: dict[str, Any], amount: int, at: int) -> None:
        """`amount` in minor units of the charge's currency, always positive."""
        assert kind in SIGNS
        assert amount > 0
        self.entries.append(
            {
                "number": len(self.entries) + 1,
                "at": at,
                "kind": kind,
                "amount": amount,
                "currency": charge["currency"],
                "charge": charge["id"],
                "payment_intent": charge["payment_intent"],
                "customer": charge["customer"],
                "session": charge.get("_session"),
                "reference": charge.get("_reference"),
                "metadata": dict(charge["metadata"]),
            }
        )

    def totals(self) -> dict[str, int]:
        """What we have of each currency, in minor units."""
        found: dict[str, int] = {}
        for entry in self.entries:
            moved = SIGNS[entry["kind"]] * entry["amount"]
            found[entry["currency"]] = found.get(entry["currency"], 0) + moved
        return found

    def kept(self) -> dict[str, int]:
        """What we have of each payment intent, in minor units; what is 0 is shown."""
        found: dict[str, int] = {}
        for entry in self.entries:
            moved = SIGNS[entry["kind"]] * entry["amount"]
            intent = entry["payment_intent"]
            found[intent] = found.get(intent, 0) + moved
        return found
