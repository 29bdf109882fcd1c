"""Columns of an export, and what is in a cell of each type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

Row = tuple[Any, ...]
# A spreadsheet reads what begins with one of these as a formula, some of them in their
# full width, too, and some after spaces.
FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


class Type(StrEnum):
    """What a cell holds; None is empty in any."""

    TEXT = "text"  # str: anything that somebody wrote
    PLAIN = "plain"  # str that we made, and begins with a letter or a digit
    INT = "int"
    DECIMAL = "decimal"  # str of a number with a point
    TIME = "time"  # an aware datetime
    INSTANT = "instant"  # the same, in whole seconds
    DAY = "day"  # a date


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: Type = Type.TEXT


@dataclass(frozen=True, slots=True)
class Source:
    """`rows` may be asked for once; `expected` is how many there are, roughly."""

    columns: tuple[Column, ...]
    rows: Iterator[Row]
    expected: int = 0


def time_text(moment: datetime) -> str:
    """UTC, to the millisecond: 2026-11-27T10:00:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def second_text(moment: datetime) -> str:
    """UTC: 2026-11-27T10:00:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_text(day: date) -> str:
    return day.isoformat()


def safe(text: str) -> str:
    """No formula, whatever it says."""
    is_formula = text.startswith(FORMULA) or text.lstrip().startswith(FORMULA)
    return f"'{text}" if is_formula else text


def as_is(value: Any) -> Any:
    return value


# From a value that is not None to what stands in a file of text.
TEXTS: dict[Type, Callable[[Any], Any]] = {
    Type.TEXT: safe,
    Type.PLAIN: as_is,
    Type.INT: as_is,
    Type.DECIMAL: as_is,
    Type.TIME: time_text,
    Type.INSTANT: second_text,
    Type.DAY: day_text,
}
