"""How numbers, moments and states are written for people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar, cast

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.values.amounts import credits_text

register = template.Library()
Filter = TypeVar("Filter", bound=Callable[..., str])

NONE = "—"  # no data is not zero
UNITS = (("day", 86_400), ("hour", 3_600), ("min", 60))

STATES = {
    "open": ("running", "The call runs; its credits are held."),
    "settled": ("charged", "The call is over and paid for."),
    "released": ("not charged", "Nothing was used; what was held is available again."),
    "in_doubt": ("in doubt", "The upstream's answer was lost; resolved by rule."),
    # of orders of credits
    "pending": ("not paid yet", "Nothing is charged, and no credits are given yet."),
    "paid": ("paid", "The money is there, and the credits are granted."),
    "refunded": ("refunded", "The money was given back, and the credits taken."),
    "disputed": ("disputed", "The payer's bank took the money back, or may."),
}
BASES = {
    "upstream": ("upstream", "The upstream named the price."),
    "computed": ("computed", "The tariff times what the upstream reported."),
    "estimated": ("estimated", "The tariff times what the gateway counted."),
    "in_doubt": ("in doubt", "The upstream's answer was lost; charged by rule."),
}

ENTRIES = {
    "grant": "granted",
    "usage": "charged",
    "absorb": "borne by the operator",
    "expire": "expired",
    "refund": "given back",
    "relief": "given back to the operator",
    "credit": "credited",
    "debit": "debited",
    "reversal": "grant taken back",
    "clawback": "taken back",
    "debt": "owed",
    "repayment": "debt paid",
    "write_off": "debt written off",
}
LEVELS = {
    "organization": "the organization",
    "project": "project",
    "member": "member",
    "member_in_project": "member in a project",
    "key": "key",
}


def missing_is_none(write: Filter) -> Filter:
    """A template has "" for what an object that is not there would have had; filters of
    numbers and times are given None, as for a value that is not there."""

    @wraps(write)
    def tolerant(value: Any, *rest: Any) -> str:
        return write(None if value == "" else value, *rest)

    return cast("Filter", tolerant)


@register.filter
def entry_word(kind: str) -> str:
    return ENTRIES.get(kind, kind)


@register.filter
def level_word(level: str) -> str:
    return LEVELS.get(level, level)


@register.filter(name="credits")
@missing_is_none
def credits_of(micros: int | None) -> str:
    """1_234_567_000_000 → 1,234,567 and 32_500 → 0.0325: never rounded."""
    if micros is None:
        return NONE
    whole, point, rest = credits_text(abs(micros)).partition(".")
    return ("−" if micros < 0 else "") + f"{int(whole):,}{point}{rest}"


@register.filter
@missing_is_none
def signed(micros: int | None) -> str:
    """A change: +1,234.5 or −1,234.5; nothing has no sign."""
    return ("+" if micros and micros > 0 else "") + credits_of(micros)


@register.filter
@missing_is_none
def whole(micros: int | None) -> str:
    """The part of `credits` before the decimal point."""
    return credits_of(micros).partition(".")[0]


@register.filter
@missing_is_none
def fraction(micros: int | None) -> str:
    """The rest of it: “.0325”, or nothing."""
    return credits_of(micros).removeprefix(whole(micros))


@register.filter
@missing_is_none
def exact(micros: int | None) -> str:
    """The stored integer, for a `title`."""
    return "no data" if micros is None else f"{micros:,} microcredits"


@register.filter
@missing_is_none
def count(number: int | None) -> str:
    return NONE if number is None else f"{number:,}"


@register.filter
@missing_is_none
def amount(number: int | None, unit: str) -> str:
    """Microcredits in credits; of any other unit so many."""
    return credits_of(number) if unit == "credits" else count(number)


@register.simple_tag
def change(now: int, before: int) -> SafeString:
    """“+12 %” against the period before; nothing where that had none."""
    if before <= 0:
        return SafeString("")
    percent = round((now - before) * 100 / before)
    sign = "+" if percent > 0 else "−" if percent < 0 else "±"
    return format_html(
        ' <small class="change">{}{} %</small>', sign, f"{abs(percent):,}"
    )


@register.filter
@missing_is_none
def moment(at: datetime | None) -> str:
    """The absolute time, to the second, its zone named."""
    return NONE if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


@register.filter
@missing_is_none
def local(at: datetime | None) -> str:
    """The time in the organization's zone, to the minute: pages name the zone."""
    return NONE if at is None else f"{timezone.localtime(at):%Y-%m-%d %H:%M}"


@register.filter
@missing_is_none
def local_second(at: datetime | None) -> str:
    """The same to the second."""
    return NONE if at is None else f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"


@register.filter
@missing_is_none
def local_exact(at: datetime | None) -> str:
    """The same to the millisecond."""
    if at is None:
        return NONE
    there = timezone.localtime(at)
    return f"{there:%Y-%m-%d %H:%M:%S}.{there.microsecond // 1000:03d}"


@register.simple_tag
def clock(at: datetime | None) -> SafeString:
    """The time in the organization's zone, UTC in its title."""
    return _time(at, local(at), moment(at))


@register.simple_tag
def ago(at: datetime | None) -> SafeString:
    """How far away it is; the time in the organization's zone and UTC in its title."""
    return _time(at, relative(at), f"{local_second(at)} there, {moment(at)}")


def _time(at: datetime | None, words: str, title: str) -> SafeString:
    if at is None:
        return SafeString(NONE)
    form = '<time datetime="{}" title="{}">{}</time>'
    return format_html(form, at.isoformat(), title, words)


@register.filter
@missing_is_none
def duration(seconds: int | None) -> str:
    """900 → “15 minutes”, 90 → “90 seconds”: never rounded."""
    if seconds is None:
        return NONE
    minutes, rest = divmod(seconds, 60)
    number, unit = (minutes, "minute") if minutes and not rest else (seconds, "second")
    return f"{number:,} {unit}" + ("" if number == 1 else "s")


@register.filter
@missing_is_none
def milliseconds(number: int | None) -> str:
    """850 → “850 ms”, 12_340 → “12.3 s”; what took no time was not measured."""
    if not number:
        return NONE
    return f"{number:,} ms" if number < 10_000 else f"{number / 1000:,.1f} s"


@register.filter
@missing_is_none
def since(at: datetime | None, start: datetime | None) -> str:
    """How long after `start`: “+0.012 s”."""
    if at is None or start is None:
        return ""
    seconds = (at - start).total_seconds()
    return f"{'−' if seconds < 0 else '+'}{abs(seconds):,.3f} s"


@register.filter
@missing_is_none
def relative(at: datetime | None) -> str:
    """How far away a moment is: “just now”, “5 min ago”, “in 3 days”."""
    if at is None:
        return NONE
    seconds = int((at - timezone.now()).total_seconds())
    size = abs(seconds)
    if size < 60:
        return "just now" if seconds <= 0 else "in under a minute"
    unit, length = next(unit for unit in UNITS if size >= unit[1])
    number = size // length
    plural = "s" if number != 1 and unit != "min" else ""
    words = f"{number} {unit}{plural}"
    return f"in {words}" if seconds > 0 else f"{words} ago"


WINDOWS = {
    "day": "a day",
    "week": "a week",
    "month": "a month",
    "total": "in all",
}
WHOM = {
    "organization": "Everybody",
    "project": "Project",
    "member": "Member",
    "member_in_project": "Member in a project",
    "key": "Key",
}


@register.filter
def window_word(window: str) -> str:
    """Of a limit: “100 credits a day”."""
    return WINDOWS.get(window, window)


@register.filter
def whom_word(level: str) -> str:
    """Whom a limit binds."""
    return WHOM.get(level, level)


@register.filter
def state_word(state: str) -> str:
    return STATES.get(state, (state, ""))[0]


@register.filter
def state_meaning(state: str) -> str:
    return STATES.get(state, (state, ""))[1]


@register.filter
def basis_word(basis: str | None) -> str:
    return BASES.get(basis, (basis, ""))[0] if basis else NONE


@register.filter
def basis_meaning(basis: str | None) -> str:
    return BASES.get(basis, (basis, ""))[1] if basis else "not charged"
