"""Credits as people write them. Inside, amounts are integers in microcredits."""

from __future__ import annotations

from billing.orders import CREDIT


def credits_text(micros: int) -> str:
    """Credits with as many decimals as needed: 12000000 → "12", 32500 → "0.0325"."""
    sign = "-" if micros < 0 else ""
    whole, fraction = divmod(abs(micros), CREDIT)
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:06d}".rstrip("0")


def whole_credits(micros: int) -> int:
    """Credits rounded up, for fields that are integers by contract."""
    return -(-micros // CREDIT)
