"""The door of the ledger: each field of an order has the type that it says.

Python checks no types when it runs, and SQLite stores what it is given: a price that
is 1.5, or true, would be booked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from math import isfinite
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

Check = Callable[[Any], bool]

BIGINT_MAX = 2**63 - 1


def check(value: Any) -> None:
    """Look at each field of a dataclass, and at those of dataclasses in it.

    Raises: ValueError, which names the first that is wrong: of another type, an
    integer beyond 64 bits, a time without a zone, a text that no database takes.
    """
    for name, is_right in _checks(type(value)):
        if not is_right(getattr(value, name)):
            kind = type(value).__name__.lower()
            raise ValueError(f"{kind}.{name} makes no sense")


_known: dict[type[Any], tuple[tuple[str, Check], ...]] = {}


def _checks(kind: type[Any]) -> tuple[tuple[str, Check], ...]:
    if kind not in _known:
        hints = get_type_hints(kind)
        names = [field.name for field in fields(kind)]
        _known[kind] = tuple((name, _check_for(hints[name])) for name in names)
    return _known[kind]


def _check_for(kind: Any) -> Check:
    """Whether a value is of that type, exactly: true is no number.

    Raises: TypeError for a type that this file does not know yet.
    """
    if kind in _EXACT:
        return _EXACT[kind]
    if is_dataclass(kind):
        return lambda value: type(value) is kind and _is_sound(value)
    of, parts = get_origin(kind), get_args(kind)
    if of is UnionType:
        options = [_check_for(part) for part in parts]
        return lambda value: any(is_one(value) for is_one in options)
    if of is Mapping:
        is_key, is_value = map(_check_for, parts)
        return lambda value: (
            isinstance(value, Mapping)
            and all(is_key(key) and is_value(each) for key, each in value.items())
        )
    if of in (tuple, frozenset):
        is_item = _check_for(parts[0])
        return lambda value: type(value) is of and all(map(is_item, value))
    raise TypeError(f"no check for {kind}")


def _is_sound(value: Any) -> bool:
    # No generator: it is asked for each order of each call.
    for name, is_right in _checks(type(value)):  # noqa: SIM110
        if not is_right(getattr(value, name)):
            return False
    return True


def _is_integer(value: Any) -> bool:
    return type(value) is int and -BIGINT_MAX <= value <= BIGINT_MAX


def _is_text(value: Any) -> bool:
    if type(value) is not str or "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= each <= "\udfff" for each in value)


def _is_moment(value: Any) -> bool:
    return isinstance(value, datetime) and value.utcoffset() is not None


_EXACT: dict[Any, Check] = {
    int: _is_integer,
    str: _is_text,
    datetime: _is_moment,
    # Of a clock, never of money.
    float: lambda value: type(value) is float and isfinite(value),
    bool: lambda value: type(value) is bool,
    UUID: lambda value: type(value) is UUID,
    type(None): lambda value: value is None,
}
