"""The filter bar of a page: one form, its state in the query string, a chip for each
filter that is set. A page has one, and it acts on everything there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.http import Http404, QueryDict
from django.utils import timezone

from portal.pages.parts import periods
from portal.pages.parts.periods import NoPeriod, Period
from portal.pages.parts.query import changed

TEXT_MAX = 200
OF_PERIOD = ("range", "from", "to")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of `options`, (value, label). A value that is not among them is missing, as
    a foreign object is; unless others than the listed ones may be asked for."""

    name: str
    label: str
    options: Sequence[tuple[str, str]]
    everything: str = "All"
    takes_others: bool = False

    def label_of(self, value: str) -> str:
        """Raises: Http404."""
        found = dict(self.options).get(value)
        if found is None and not self.takes_others:
            raise Http404
        return found or value


@dataclass(frozen=True, slots=True)
class Text:
    """A few characters to look for. `wrong` says what is wrong with a value, which is
    then not looked for: "" where nothing is."""

    name: str
    label: str
    placeholder: str = ""
    wrong: Callable[[str], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class Range:
    """A span of time; `default` is one of `periods.NAMES`."""

    default: str = "30d"


class Chip(NamedTuple):
    """A filter that is set; `url` is the page without it."""

    label: str
    value: str
    url: str


class Drawn(NamedTuple):
    """One field of the form."""

    kind: str
    name: str
    label: str
    value: str
    options: Sequence[tuple[str, str]] = ()
    placeholder: str = ""
    error: str = ""


@dataclass(slots=True)
class Filters:
    """What is asked for. `values` has what is set, by the fields' names."""

    values: dict[str, str] = field(default_factory=dict)
    period: Period | None = None
    chips: list[Chip] = field(default_factory=list)
    drawn: list[Drawn] = field(default_factory=list)
    ranges: list[tuple[str, str, str]] = field(default_factory=list)
    since: str = ""  # what the fields of a custom period show
    until: str = ""
    error: str = ""  # of those two
    kept: list[tuple[str, str]] = field(default_factory=list)  # hidden in the form
    bare_url: str = "?"  # the page without any of them

    @property
    def is_wrong(self) -> bool:
        return bool(self.error) or any(field.error for field in self.drawn)

    def get(self, name: str) -> str:
        """ "" where the field is not set. Not by index: a template would ask so for
        everything else, too."""
        return self.values.get(name, "")

    @property
    def span(self) -> Period:
        """The period, of a page that has one."""
        assert self.period is not None, "the bar has no Range"
        return self.period


Field = Choice | Text | Range


def read(
    params: QueryDict,
    zone: ZoneInfo,
    fields: Iterable[Field],
    *,
    now: datetime | None = None,
) -> Filters:
    """Raises: Http404 for a choice that there is not."""
    found = Filters()
    own: set[str] = set()
    for each in fields:
        match each:
            case Range():
                own.update(OF_PERIOD)
                _read_period(found, each, params, zone, now or timezone.now())
            case Choice() | Text():
                own.add(each.name)
                _read_value(found, each, params)
    others = {"format", "after", "before", *own}
    found.kept = [(name, str(params[name])) for name in params if name not in others]
    found.bare_url = changed(params, *own)
    return found


def _read_value(found: Filters, each: Choice | Text, params: QueryDict) -> None:
    value = params.get(each.name, "").replace("\0", "").strip()[:TEXT_MAX]
    if isinstance(each, Choice):
        options: list[tuple[str, str]] = [("", each.everything), *each.options]
        shown = each.label_of(value) if value else ""
        if value and value not in dict(options):
            options.append((value, value))
        drawn = Drawn("choice", each.name, each.label, value, options)
    else:
        shown, error = value, each.wrong(value) if value else ""
        drawn = Drawn("text", each.name, each.label, value, (), each.placeholder, error)
    found.drawn.append(drawn)
    if value and not drawn.error:
        found.values[each.name] = value
        found.chips.append(Chip(each.label, shown, changed(params, each.name)))


def _read_period(
    found: Filters, each: Range, params: QueryDict, zone: ZoneInfo, now: datetime
) -> None:
    """Nonsense is said beside the fields; the page then shows its usual period."""
    asked = params.get("range", "")
    found.since, found.until = params.get("from", ""), params.get("to", "")
    if found.since or found.until:
        asked = "custom"
    try:
        if asked == "custom":
            found.period = periods.custom(found.since, found.until, zone, now)
        else:
            found.period = periods.named(asked or each.default, zone, now)
    except NoPeriod as error:
        found.error = str(error)
        found.period = periods.named(each.default, zone, now)
    found.ranges = [
        (label, changed(params, *OF_PERIOD, range=name), _current(found.period, name))
        for name, label in periods.NAMES
        if name != "custom"
    ]
    if found.period.name == "custom":
        url = changed(params, *OF_PERIOD)
        found.chips.append(Chip("Time", found.period.words, url))


def _current(period: Period, name: str) -> str:
    return "true" if period.name == name else ""
