"""What credits cost: packs, a price for each credit, and one currency."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.conf import settings

from billing.payments import errors
from billing.values.orders import CREDIT

# How many decimals the currencies have in which one can sell here.
DECIMALS = {
    **dict.fromkeys(("usd", "eur", "gbp", "chf", "sek", "nok", "dkk", "pln", "czk"), 2),
    **dict.fromkeys(("cad", "aud", "nzd", "sgd", "hkd", "inr", "brl", "mxn", "zar"), 2),
    **dict.fromkeys(("jpy", "krw", "clp", "vnd"), 0),
}
# A price for one credit is kept in millionths of a minor unit.
PER_MINOR = 1_000_000
PRICE = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,8}))?")
MONEY = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,2}))?", re.ASCII)
# More than any provider takes in one payment.
PRICE_MINOR_MAX = 99_999_999


@dataclass(frozen=True, slots=True)
class Pack:
    """So many credits for so much, in minor units, without tax."""

    id: str
    credits: int
    price_minor: int
    currency: str

    @property
    def amount_micros(self) -> int:
        return self.credits * CREDIT


@dataclass(frozen=True, slots=True)
class Offer:
    """What is to be bought, and for how much."""

    amount_micros: int
    price_minor: int
    currency: str
    pack: str = ""


def currency() -> str:
    """The one that is sold in, in small letters."""
    found: str = settings.PAYMENT_CURRENCY
    return found.lower()


def packs() -> list[Pack]:
    """The packs of now, the smallest first. Raises: ValueError for wrong settings."""
    return sorted(map(_pack, settings.CREDIT_PACKS), key=lambda pack: pack.credits)


def offer(
    *, pack: str = "", credits: int | None = None, wanted_currency: str = ""
) -> Offer:
    """A pack by its id, or whole credits of one's own choice; exactly one of them.

    Raises: BadAmount, UnknownPack, UnknownCurrency.
    """
    if wanted_currency and wanted_currency.lower() != currency():
        raise errors.UnknownCurrency(f"Prices are in {currency().upper()}.")
    if (credits is None) == (not pack):
        raise errors.BadAmount("Choose a pack or an amount of credits, one of them.")
    if credits is None:
        return _of_pack(pack)
    least, most = settings.TOPUP_CREDITS_MIN, settings.TOPUP_CREDITS_MAX
    if type(credits) is not int or not least <= credits <= most:
        raise errors.BadAmount(f"Buy from {least} to {most} whole credits.")
    price = price_minor(credits * CREDIT)
    if not 0 < price <= PRICE_MINOR_MAX:
        raise errors.BadAmount("That amount has no price that can be paid at once.")
    return Offer(credits * CREDIT, price, currency())


def price_minor(amount_micros: int) -> int:
    """What so many microcredits cost beside any pack: minor units, rounded up."""
    each = price_per_credit(settings.CREDIT_PRICE, currency())
    return -(-amount_micros * each // (CREDIT * PER_MINOR))


def price_per_credit(text: str, in_currency: str) -> int:
    """ "0.01" of a currency with two decimals → 1,000,000 millionths of a cent.

    Raises: ValueError.
    """
    found = PRICE.fullmatch(text)
    if found is None or in_currency not in DECIMALS:
        raise ValueError(f"no price: {text!r} {in_currency}")
    whole, fraction = found.groups(default="")
    scale: int = PER_MINOR * 10 ** DECIMALS[in_currency]
    return int(whole) * scale + int(fraction.ljust(8, "0")) * scale // 10**8


def minor_of(text: str, in_currency: str) -> int:
    """ "10.50", "usd" → 1050. Raises: BadAmount."""
    decimals = DECIMALS[in_currency]
    found = MONEY.fullmatch(text.strip())
    if found is None or len(found[2] or "") > decimals:
        raise errors.BadAmount(
            f"{text[:20]!r} is no amount of {in_currency.upper()}: write "
            f"{money_text(1050, in_currency).split()[0]}, in digits alone."
        )
    return int(found[1] + (found[2] or "").ljust(decimals, "0"))


def money_text(minor: int, in_currency: str) -> str:
    """1050, "usd" → "10.50 USD"."""
    decimals = DECIMALS[in_currency]
    whole, rest = divmod(abs(minor), 10**decimals)
    sign = "-" if minor < 0 else ""
    fraction = f".{rest:0{decimals}d}" if decimals else ""
    return f"{sign}{whole}{fraction} {in_currency.upper()}"


def _of_pack(wanted: str) -> Offer:
    for pack in packs():
        if pack.id == wanted:
            return Offer(pack.amount_micros, pack.price_minor, pack.currency, pack.id)
    raise errors.UnknownPack("That pack is not sold any more: choose another.")


def _pack(text: str) -> Pack:
    """`1000=9.50`: credits, and what they cost together. Raises: ValueError."""
    credits, _, price = text.partition("=")
    if not re.fullmatch(r"[1-9][0-9]{0,8}", credits):
        raise ValueError(f"no pack: {text!r}")
    minor, rest = divmod(price_per_credit(price, currency()), PER_MINOR)
    if rest or not 0 < minor <= PRICE_MINOR_MAX:
        raise ValueError(f"no price of a pack: {text!r}")
    return Pack(f"pack_{credits}_{minor}_{currency()}", int(credits), minor, currency())
