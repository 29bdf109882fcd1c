"""Credits as people write them. Inside, amounts are integers in microcredits."""

from __future__ import annotations

import re

from billing.values.orders import CREDIT

PPM = 1_000_000  # of an organization's price factor: resells at cost

# Plain digits: no sign, no exponent, and never finer than a microcredit.
CREDITS = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,6}))?")


def credits_text(micros: int) -> str:
    """Credits with as many decimals as needed: 12000000 → "12", 32500 → "0.0325"."""
    sign = "-" if micros < 0 else ""
    whole, fraction = divmod(abs(micros), CREDIT)
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:06d}".rstrip("0")


def micros_of(text: str) -> int:
    """What `credits_text` writes, read again: "0.0325" → 32500.

    Raises: ValueError for anything else, negative amounts among it.
    """
    found = CREDITS.fullmatch(text)
    if found is None:
        raise ValueError(f"not an amount of credits: {text!r}")
    whole, fraction = found.groups(default="")
    return int(whole) * CREDIT + int(fraction.ljust(6, "0"))


def price_of(cost_micros: int, factor_ppm: int) -> int:
    """What a call of this cost is charged by an organization's price factor, in
    microcredits, rounded up: never less than the factor says."""
    return -(-cost_micros * factor_ppm // PPM)


def whole_credits(micros: int) -> int:
    """Credits rounded up, for fields that are integers by contract."""
    return -(-micros // CREDIT)
