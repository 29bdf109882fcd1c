"""Pages of a list by where the last one ended, not by counting rows: the thousandth
page costs what the first one does, and a new row moves nothing from page to page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.core import signing
from django.db.models import F, Q, QuerySet

CHUNK = 1000  # rows that are in memory at once while all are read


@dataclass(frozen=True, slots=True)
class Order:
    """By `field`, and by `tie` where that is the same; `tie` is unique. Rows without a
    value come last, where the field is nullable; else an index needs no such word."""

    field: str
    is_descending: bool = False
    is_nullable: bool = False
    tie: str = "pk"
    has_nulls_first: bool = False  # read backwards, what is last comes first

    def __str__(self) -> str:
        return ("-" if self.is_descending else "") + self.field

    def backwards(self) -> Order:
        return replace(
            self,
            is_descending=not self.is_descending,
            has_nulls_first=not self.has_nulls_first,
        )

    def terms(self) -> list[Any]:
        nulls = {}
        if self.is_nullable:
            nulls = {"nulls_first" if self.has_nulls_first else "nulls_last": True}
        names = dict.fromkeys((self.field, self.tie))
        options = [nulls, {}]
        return [
            F(name).desc(**option) if self.is_descending else F(name).asc(**option)
            for name, option in zip(names, options, strict=False)
        ]

    def beyond(self, value: Any, tie: Any) -> Q:
        """The rows that come after the one with these values."""
        further = "lt" if self.is_descending else "gt"
        is_beyond_tie = Q((f"{self.tie}__{further}", tie))
        if self.field == self.tie:
            return is_beyond_tie
        has_none = Q((f"{self.field}__isnull", True))
        if value is None:
            rest = has_none & is_beyond_tie
            return rest | ~has_none if self.has_nulls_first else rest
        # The first condition says nothing new, but an index can be entered by it.
        not_before = Q((f"{self.field}__{further}e", value))
        after = not_before & (Q((f"{self.field}__{further}", value)) | is_beyond_tie)
        return after | has_none if self._ends_with_nulls() else after

    def _ends_with_nulls(self) -> bool:
        return self.is_nullable and not self.has_nulls_first


class Slice(NamedTuple):
    """Some rows, and the cursors of their neighbours: "" where there are none."""

    rows: list[Any]
    after: str
    before: str


def cut(
    rows: QuerySet[Any], order: Order, size: int, *, after: str = "", before: str = ""
) -> Slice:
    """The page after or before a cursor; with neither, or one that is none of ours,
    the first. Before a cursor are at most `size` rows, the ones next to it."""
    if before and (place := _read(order, before)):
        ahead = order.backwards()
        found = list(_after(rows, ahead, place)[: size + 1])
        shown = found[:size][::-1]
        if shown:
            earlier = _cursor(order, shown[0]) if len(found) > size else ""
            return Slice(shown, _cursor(order, shown[-1]), earlier)
        after = ""
    place = _read(order, after) if after else None
    found = list(_after(rows, order, place)[: size + 1])
    shown = found[:size]
    later = _cursor(order, shown[-1]) if len(found) > size else ""
    return Slice(shown, later, _cursor(order, shown[0]) if place and shown else "")


def chunks(rows: QuerySet[Any], order: Order, size: int = CHUNK) -> Iterator[list[Any]]:
    """All rows, `size` at a time, each in a query of its own: nothing is held open
    while a slow client reads."""
    place = None
    while found := list(_after(rows, order, place)[:size]):
        yield found
        if len(found) < size:
            return
        place = _place(order, found[-1])


Place = tuple[Any, Any]


def _after(rows: QuerySet[Any], order: Order, place: Place | None) -> QuerySet[Any]:
    found = rows.order_by(*order.terms())
    return found.filter(order.beyond(*place)) if place else found


def _place(order: Order, row: Any) -> Place:
    return _value(row, order.field), _value(row, order.tie)


def _value(row: Any, path: str) -> Any:
    for name in path.split("__"):
        if row is None:
            return None
        row = row[name] if isinstance(row, dict) else getattr(row, name)
    return row


# --- cursors: signed, so that nothing else is ever compared with a column ----------


def _cursor(order: Order, row: Any) -> str:
    values = [_written(value) for value in _place(order, row)]
    return _signer(order).sign_object(values)


def _signer(order: Order) -> signing.Signer:
    """Without the time of signing: the same place has the same cursor."""
    return signing.Signer(salt=f"cursor:{order}")


def _read(order: Order, cursor: str) -> Place | None:
    try:
        value, tie = _signer(order).unsign_object(cursor)
    except signing.BadSignature:
        return None
    return _parsed(value), _parsed(tie)


def _written(value: Any) -> Any:
    match value:
        case datetime():
            return {"moment": value.isoformat()}
        case date():
            return {"day": value.isoformat()}
        case UUID():
            return {"id": value.hex}
    return value


def _parsed(value: Any) -> Any:
    match value:
        case {"moment": text}:
            return datetime.fromisoformat(text)
        case {"day": text}:
            return date.fromisoformat(text)
        case {"id": text}:
            return UUID(text)
    return value
