"""What the documents of several routes have in common: ids, amounts and moments.

An amount is there twice: credits as text and, named `…_micros`, an integer in
microcredits. Moments are Unix seconds, as everywhere in OpenAI's API.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.reports.balance import Balance
from billing.values import numbers
from billing.values.amounts import credits_text
from proxy.http import refusals

PAGE, PAGE_MAX = 20, 100  # OpenAI's of its own lists


def funds(balance: Balance | None) -> dict[str, Any]:
    """All credits of an account, what running calls hold, what a new call may use;
    nulls of None, which is not told."""
    if balance is None:
        return {
            **amount("balance", None),
            **amount("held", None),
            **amount("available", None),
        }
    return {
        **amount("balance", balance.balance_micros),
        **amount("held", balance.held_micros),
        **amount("available", balance.available_micros),
    }


def amount(name: str, micros: int | None) -> dict[str, Any]:
    """None is an amount that nobody knows."""
    text = None if micros is None else credits_text(micros)
    return {name: text, f"{name}_micros": micros}


def seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def page_size(text: str | None) -> int:
    """How many rows a list gives at once. Raises: GatewayError (400)."""
    if text is None:
        return PAGE
    found = numbers.whole(text, least=1, most=PAGE_MAX)
    if found is None:
        raise refusals.invalid(f"limit must be from 1 to {PAGE_MAX}.", param="limit")
    return found


def uuid_in(public_id: str, kind: str) -> UUID | None:
    """The id in `<kind>_<32 hexadecimal digits>`; None in one that we did not issue."""
    found = re.fullmatch(rf"{kind}_([0-9a-f]{{32}})", public_id)
    return UUID(found[1]) if found else None
