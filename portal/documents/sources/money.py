"""Money and credits as decimals, exact: texts that are made of integers."""

from __future__ import annotations

from billing.payments import price_history, prices

CREDIT_PLACES = 6
# A price for one credit has at most so many decimals.
PRICE_PLACES = price_history.PLACES


def decimal(units: int, places: int) -> str:
    """So many 10^-places, with a point and two decimals at least: 1050, 2 → 10.50."""
    sign, units = ("-", -units) if units < 0 else ("", units)
    whole, rest = divmod(units, 10**places)
    fraction = f"{rest:0{places}d}".rstrip("0") if places else ""
    return f"{sign}{whole}.{fraction.ljust(2, '0')}"


def of_micros(micros: int) -> str:
    """Credits."""
    return decimal(micros, CREDIT_PLACES)


def of_minor(minor: int, currency: str) -> str:
    """Money of that currency."""
    return decimal(minor, prices.DECIMALS[currency.lower()])


def credit_price() -> int:
    """What one credit costs beside any pack, in 10^-8 of the currency's unit."""
    return price_history.current().each


def cost(micros: int, price: int) -> str:
    """What so many microcredits are worth at that price: exact."""
    return decimal(micros * price, CREDIT_PLACES + PRICE_PLACES)
