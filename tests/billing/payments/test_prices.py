"""What credits cost: exact, rounded up, never in fractions, in one currency."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from billing.payments import errors, prices
from billing.values.orders import CREDIT

PRICES = st.tuples(st.integers(0, 999_999), st.integers(0, 99_999_999))


@given(PRICES, st.sampled_from(["usd", "jpy"]), st.integers(1, 10**15))
def test_a_price_is_the_exact_one_rounded_up(
    price: tuple[int, int], currency: str, micros: int
) -> None:
    text = f"{price[0]}.{price[1]:08d}"
    each = prices.price_per_credit(text, currency)
    minor = -(-micros * each // (CREDIT * prices.PER_MINOR))
    exact = Fraction(text) * 10 ** prices.DECIMALS[currency] * micros / CREDIT
    # What a price has beyond a millionth of a minor unit is cut, in favour of buyers.
    assert minor - 1 < exact or not minor
    assert minor >= Fraction(each, prices.PER_MINOR) * micros / CREDIT


@pytest.mark.parametrize(
    ("credits", "price", "currency", "minor"),
    [
        (1000, "0.01", "usd", 1000),
        (500, "0.015", "usd", 750),
        (501, "0.00001", "usd", 1),
        (500, "1.5", "jpy", 750),
        (501, "1.5", "jpy", 752),
    ],
)
def test_prices(
    settings: Settings, credits: int, price: str, currency: str, minor: int
) -> None:
    settings.CREDIT_PRICE, settings.PAYMENT_CURRENCY = price, currency
    assert prices.offer(credits=credits).price_minor == minor


@pytest.mark.parametrize(
    "text",
    ["", "1,5", "-1", "+1", "1e3", "0x1", " 1", "1.", ".5", "١", "1.123456789", "nan"],
)
def test_what_is_no_price(text: str) -> None:
    with pytest.raises(ValueError, match="no price"):
        prices.price_per_credit(text, "usd")
    with pytest.raises(ValueError, match="no price"):
        prices.price_per_credit("1", text)


@pytest.mark.parametrize(
    "pack",
    ["", "=", "1000", "1000=", "=10", "0=10", "-5=10", "1000=0", "1000=10.001", "1=x"],
)
def test_what_is_no_pack(settings: Settings, pack: str) -> None:
    settings.CREDIT_PACKS = [pack]
    with pytest.raises(ValueError, match="no pack|no price"):
        prices.packs()


def test_packs_are_named_after_what_they_cost(settings: Settings) -> None:
    """So nobody who has an old page open pays another price than it shows."""
    settings.CREDIT_PACKS = ["5000=48", "1000=9.50"]
    assert [pack.id for pack in prices.packs()] == [
        "pack_1000_950_usd",
        "pack_5000_4800_usd",
    ]
    assert prices.offer(pack="pack_1000_950_usd").price_minor == 950
    settings.CREDIT_PACKS = ["1000=10"]
    with pytest.raises(errors.UnknownPack):
        prices.offer(pack="pack_1000_950_usd")


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1050, "usd", "10.50 USD"),
        (5, "eur", "0.05 EUR"),
        (-5, "eur", "-0.05 EUR"),
        (1050, "jpy", "1050 JPY"),
    ],
)
def test_money_as_text(minor: int, currency: str, text: str) -> None:
    assert prices.money_text(minor, currency) == text


@pytest.mark.parametrize("credits", [True, 1000.0, "1000", 0, -1, 10**20])
def test_amounts_that_are_none(credits: Any) -> None:
    with pytest.raises(errors.BadAmount):
        prices.offer(credits=credits)
