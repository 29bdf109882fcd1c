"""Tables, declared: what a list shows, how it may be sorted, and what its CSV has.

A page declares a `Table` once, and gives it rows: a queryset, which is read in keyset
pages over the order's index, a feed, which cuts its pages itself, or a list that is
short. `components/table.html` draws it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, runtime_checkable

from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict, StreamingHttpResponse
from django.urls import reverse

from billing.values import numbers
from billing.values.amounts import credits_text
from portal.pages.parts import exports, keyset
from portal.pages.parts.query import changed


@runtime_checkable
class Feed(Protocol):
    """Rows in the one order that a report has them in."""

    def cut(self, size: int, *, after: str, before: str) -> keyset.Slice:
        """As `keyset.cut`."""
        ...

    def chunks(self) -> Iterator[list[Any]]:
        """All of them, some at a time."""
        ...


Rows = QuerySet[Any] | Feed | Sequence[Any]
# From rows of the database to rows of the page: what else is shown, of all at once.
Prepare = Callable[[list[Any]], Sequence[Any]]


class Kind(StrEnum):
    """How a value is written."""

    TEXT = "text"
    CODE = "code"  # an id, a key's hint
    CREDITS = "credits"  # of microcredits
    COUNT = "count"
    TIME = "time"  # in the organization's zone, UTC in its title
    AGO = "ago"  # how long ago, the time in its title
    DAY = "day"
    STATE = "state"  # a pill, by the words of the template filter `state_word`


NUMBERS = (Kind.CREDITS, Kind.COUNT)
LARGEST_FIRST = (Kind.CREDITS, Kind.COUNT, Kind.TIME, Kind.AGO, Kind.DAY)


@dataclass(frozen=True, slots=True)
class Column:
    """`name` is in query strings and heads the CSV's column. `value` is a path of
    attributes or keys, or a function of the row; by default the attribute `name`."""

    name: str
    label: str
    value: str | Callable[[Any], Any] = ""
    kind: Kind = Kind.TEXT
    order: str = ""  # the queryset's field it is sorted by; of a list any word will do
    is_nullable: bool = False  # that field
    template: str = ""  # for what no kind can show: gets `row` and `value`
    link: str = ""  # name of a URL of the organization
    link_to: str | Callable[[Any], Any] = "pk"  # its other argument; None: no link
    filters: str = ""  # the filter that a click on the value sets
    filters_to: str | Callable[[Any], Any] = ""  # to what; by default to the value
    is_in_csv: bool = True
    is_in_page: bool = True

    @property
    def is_number(self) -> bool:
        return self.kind in NUMBERS

    def read(self, row: Any) -> Any:
        return read(row, self.value or self.name)

    def written(self, row: Any) -> Any:
        """As the CSV has it: credits exact, in credits."""
        value = self.read(row)
        if self.kind == Kind.CREDITS and value is not None:
            return exports.Number(credits_text(value))
        return value


UNSORTED = Column("", "")


class Heading(NamedTuple):
    """A column's head; `url` sorts by it."""

    label: str
    is_number: bool
    url: str
    direction: str  # "ascending", "descending" or ""


class Cell(NamedTuple):
    """One value, and how it is drawn."""

    column: Column
    value: Any
    url: str


class Line(NamedTuple):
    """One row, and its cells."""

    row: Any
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a table, ready to be drawn."""

    table: Table
    headings: list[Heading]
    lines: list[Line]
    totals: list[Cell] = field(default_factory=list)
    first_url: str = ""
    before_url: str = ""
    after_url: str = ""
    csv_url: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """`sort` is the name of the column that sorts at first, with a minus: downwards; ""
    where the rows are a feed, or come in order."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    sort: str
    empty: str = "Nothing here yet."
    size: int = 50
    tie: str = "pk"  # what is unique among the rows

    def without(self, *names: str) -> Table:
        """For those who may not see these columns."""
        kept = tuple(column for column in self.columns if column.name not in names)
        return replace(self, columns=kept)

    def show(
        self,
        request: HttpRequest,
        rows: Rows,
        *,
        prepare: Prepare = list,
        totals: Mapping[str, Any] | None = None,
    ) -> Listing:
        """The page that the query string asks for. `totals` are of the whole list, by
        columns' names: one aggregate that the caller made."""
        params = request.GET
        column, is_descending = self._sorting(params)
        found = self._cut(rows, params, column, is_descending)
        shown = self._columns("is_in_page")
        slug = _slug(request)
        lines = [
            Line(row, [_cell(each, row, slug, params) for each in shown])
            for row in prepare(found.rows)
        ]
        has_place = bool(set(params) & {"after", "before"})
        return Listing(
            self,
            [_heading(each, column, is_descending, params) for each in shown],
            lines,
            _totals(shown, totals) if totals and lines else [],
            changed(params) if found.before or (has_place and not lines) else "",
            changed(params, before=found.before) if found.before else "",
            changed(params, after=found.after) if found.after else "",
            changed(params, format="csv") if lines else "",
        )

    def csv(
        self, request: HttpRequest, rows: Rows, *, prepare: Prepare = list
    ) -> StreamingHttpResponse:
        """Every row of the list, sorted as the page is."""
        column, is_descending = self._sorting(request.GET)
        shown = self._columns("is_in_csv")
        name = "-".join(filter(None, ("tollgate", _slug(request), self.name)))
        chunks = self._chunks(rows, column, is_descending)
        return exports.download(
            name,
            (each.name for each in shown),
            (
                [[each.written(row) for each in shown] for row in prepare(c)]
                for c in chunks
            ),
        )

    def _columns(self, place: str) -> list[Column]:
        return [column for column in self.columns if getattr(column, place)]

    def _sorting(self, params: QueryDict) -> tuple[Column, bool]:
        """Asked for something that does not sort, as it is at first."""
        sortable = {column.name: column for column in self.columns if column.order}
        asked = params.get("sort", "")
        if asked.removeprefix("-") not in sortable:
            asked = self.sort
        column = sortable.get(asked.removeprefix("-"), UNSORTED)
        return column, asked.startswith("-")

    def _order(self, column: Column, is_descending: bool) -> keyset.Order:
        return keyset.Order(column.order, is_descending, column.is_nullable, self.tie)

    def _cut(
        self, rows: Rows, params: QueryDict, column: Column, is_descending: bool
    ) -> keyset.Slice:
        after, before = params.get("after", ""), params.get("before", "")
        if isinstance(rows, Feed):
            return rows.cut(self.size, after=after, before=before)
        if isinstance(rows, QuerySet):
            order = self._order(column, is_descending)
            return keyset.cut(rows, order, self.size, after=after, before=before)
        first = _index(after) or max(_index(before) - self.size, 0)
        last = first + self.size
        shown = _sorted(rows, column, is_descending)[first:last]
        later = str(last) if len(rows) > last else ""
        return keyset.Slice(shown, later, str(first) if first else "")

    def _chunks(
        self, rows: Rows, column: Column, is_descending: bool
    ) -> Iterator[list[Any]]:
        if isinstance(rows, Feed):
            return rows.chunks()
        if isinstance(rows, QuerySet):
            return keyset.chunks(rows, self._order(column, is_descending))
        return iter([_sorted(rows, column, is_descending)])


def wants_csv(request: HttpRequest) -> bool:
    return request.GET.get("format") == "csv"


def read(row: Any, path: str | Callable[[Any], Any]) -> Any:
    """A row's value: by function, or along attributes and keys ("project.name")."""
    if callable(path):
        return path(row)
    for name in path.split("."):
        if row is None:
            return None
        row = row.get(name) if isinstance(row, Mapping) else getattr(row, name)
    return row


def _sorted(rows: Collection[Any], column: Column, is_descending: bool) -> list[Any]:
    """Rows without a value come last either way."""
    if column is UNSORTED:
        return list(rows)
    some = [row for row in rows if column.read(row) is not None]
    none = [row for row in rows if column.read(row) is None]
    return [*sorted(some, key=column.read, reverse=is_descending), *none]


def _slug(request: HttpRequest) -> str:
    match = request.resolver_match
    return str(match.kwargs.get("slug", "")) if match else ""


def _index(text: str) -> int:
    return numbers.whole(text, most=10**9) or 0


def _heading(
    column: Column, sorting: Column, is_descending: bool, params: QueryDict
) -> Heading:
    if not column.order:
        return Heading(column.label, column.is_number, "", "")
    if column.name != sorting.name:
        sign, direction = "-" if column.kind in LARGEST_FIRST else "", ""
    else:
        sign = "" if is_descending else "-"
        direction = "descending" if is_descending else "ascending"
    url = changed(params, sort=f"{sign}{column.name}")
    return Heading(column.label, column.is_number, url, direction)


def _cell(column: Column, row: Any, slug: str, params: QueryDict) -> Cell:
    value = column.read(row)
    url = ""
    if column.link and (target := read(row, column.link_to)) is not None:
        url = reverse(column.link, args=[slug, target])
    elif column.filters and value is not None:
        to = read(row, column.filters_to) if column.filters_to else value
        if to not in (None, ""):
            url = changed(params, **{column.filters: str(to)})
    return Cell(column, value, url)


def _totals(columns: Sequence[Column], totals: Mapping[str, Any]) -> list[Cell]:
    """One cell a column, from the second on: the first says what the row is."""
    return [Cell(each, totals.get(each.name, ""), "") for each in columns[1:]]
