"""What was used in a range of time: by bucket, and by any of its dimensions.

**Charged** means the same wherever it is shown: what was booked from an organization's
credits to its usage account, less what was booked back, at the moment it was booked.
So a call counts when it is settled, and a correction or a refund when it is posted, not
when the call was made. What the operator bears is not in it, nor what only changes
credits: grants, expiry, debits, debt. A *request* is a call that has a usage record (or
a first price by a correction): one that was released for nothing is none.

`usage_sql.py` names the lines: usage records and posted corrections. Sums of a quarter
of an hour are written with each of them, and those of whole days are made of the
quarters (`billing.usage_days`). A range is put together of whichever covers most of it:
days, quarters, and single lines where an edge is inside a quarter. All three are read
by one statement, so what is added up belongs together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import connection

from billing.ledger import dialect
from billing.models import UsageDays
from billing.models.usage_day import DIVIDED_BY, Cut
from billing.reports import keys, usage_sql
from billing.reports.periods import (
    DAY,
    QUARTER,
    Bucket,
    Range,
    day_of,
    day_start,
    floor,
)
from billing.reports.usage_sql import Asked, Largest, Pieces


class Dimension(StrEnum):
    """By what usage is divided. Of keys that were rotated, and of a key's runs, the
    first is the subject (`keys.py`)."""

    MODEL = "model"
    KEY = "key"
    PROJECT = "project"
    HOLDER = "holder"  # a member or a service account
    OPERATION = "operation"
    CLIENT = "client"
    SESSION = "session"


Subject = int | str  # an id of the ledger's, or a name; 0 or "" where there was none


@dataclass(frozen=True, slots=True)
class Figures:
    """What is added up of calls."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    charged_micros: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.charged_micros + other.charged_micros,
        )


NOTHING = Figures()


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whose usage, and of what: of each dimension any of these subjects, all where it
    is not named. `spender_ids` are those keys only, without what was rotated into or
    run by them; an empty tuple is nobody's."""

    account_id: int
    of: dict[Dimension, tuple[Subject, ...]] = field(default_factory=dict)
    spender_ids: tuple[int, ...] | None = None

    def narrowed(self, dimension: Dimension, *subjects: Subject) -> Chosen:
        """The same, of these subjects only; of both, where some were chosen before."""
        known = self.of.get(dimension)
        kept = subjects if known is None else tuple(x for x in subjects if x in known)
        return replace(self, of={**self.of, dimension: kept})


# What a row is of: the number of its range, and a subject of each dimension.
Group = tuple[int, tuple[Subject, ...]]


def figures(
    chosen: Chosen,
    ranges: Sequence[Range],
    by: Sequence[Dimension] = (),
    *,
    largest: Largest | None = None,
) -> dict[Group, Figures]:
    """What was used in each of `ranges` (they may overlap), by its number there and a
    subject for each of `by`. Groups that used nothing are left out. Exact, wherever
    the ranges begin and end; fastest where they are days of the account's time zone.
    `largest` leaves out all but so many, not where keys are told apart.
    """
    if any(not subjects for subjects in chosen.of.values()) or not ranges:
        return {}
    if chosen.spender_ids == ():
        return {}
    while True:
        question = _Question(chosen, tuple(by), _state(chosen.account_id), largest)
        rows, is_as_it_was = question.ask(ranges)
        if is_as_it_was:  # else the worker has added to the days between the two
            return question.by_subject(rows)


def total(chosen: Chosen, span: Range) -> Figures:
    """All of it."""
    return figures(chosen, [span]).get((0, ()), NOTHING)


@dataclass(frozen=True, slots=True)
class Series:
    """One question, as a chart and a table have it: the sums of each subject (of
    sessions the `SESSIONS_MAX` largest), those of each part of the range, and the
    largest subjects in each part."""

    sums: dict[Subject, Figures]
    parts: list[Figures]
    largest: dict[Subject, list[Figures]]

    @property
    def total(self) -> Figures:
        return sum(self.parts, NOTHING)


# Of these there may be thousands, so that to tell all of them in each part is too much.
MANY = (Dimension.KEY, Dimension.HOLDER, Dimension.SESSION)
# There is no end to these.
SESSIONS_MAX = 500
Size = tuple[str, ...]  # the figures that are added up to compare subjects


def series(
    chosen: Chosen,
    parts: Sequence[Range],
    by: Dimension,
    *,
    size: Size,
    most: int,
) -> Series:
    """`parts` follow each other. The `most` largest subjects are those by `size`."""
    if not parts:
        return Series({}, [], {})
    if by in MANY:
        whole = [Range(parts[0].start, parts[-1].end)]
        limit = Largest(SESSIONS_MAX, size) if by == Dimension.SESSION else None
        rows_of_all = figures(chosen, whole, [by], largest=limit)
        sums = {subject: used for (_, (subject,)), used in rows_of_all.items()}
        top = _largest(sums, size, most)
        within = [NOTHING] * len(parts)
        for (number, _), used in figures(chosen, parts).items():
            within[number] = used
        largest = _divided(chosen.narrowed(by, *top), parts, by) if top else {}
        return Series(sums, within, {each: largest[each] for each in top})
    rows = _divided(chosen, parts, by)
    sums = {subject: sum(row, NOTHING) for subject, row in rows.items()}
    within = [sum(column, NOTHING) for column in zip(*rows.values(), strict=True)]
    top = _largest(sums, size, most)
    return Series(
        sums, within or [NOTHING] * len(parts), {each: rows[each] for each in top}
    )


def _largest(sums: dict[Subject, Figures], size: Size, most: int) -> list[Subject]:
    def place(subject: Subject) -> tuple[int, str]:
        used = sums[subject]
        return -sum(getattr(used, name) for name in size), str(subject)

    return sorted(sums, key=place)[:most]


def _divided(
    chosen: Chosen, parts: Sequence[Range], by: Dimension
) -> dict[Subject, list[Figures]]:
    found: dict[Subject, list[Figures]] = {}
    for (number, (subject,)), used in figures(chosen, parts, [by]).items():
        row = found.setdefault(subject, [NOTHING] * len(parts))
        row[number] = used
    return found


# --- up to where there are days ------------------------------------------------------

State = tuple[str, datetime] | None  # their time zone, and until when


def _state(account_id: int) -> State:
    found = UsageDays.objects.filter(account_id=account_id, until__isnull=False)
    row = found.values_list("zone", "until").first()
    if row is None or row[1] is None:
        return None
    return row[0], row[1]


# --- one question -------------------------------------------------------------------


@dataclass
class _Question:
    chosen: Chosen
    by: tuple[Dimension, ...]
    days: State
    largest: Largest | None

    def ask(self, ranges: Sequence[Range]) -> tuple[list[Any], bool]:
        """Rows of number, subjects and figures; and whether the days are still made
        as they were."""
        pieces = Pieces()
        for number, span in enumerate(ranges):
            self._cover(pieces, number, span)
        asked = Asked(
            self.chosen.account_id,
            self._cut(),
            [each.value for each in self.by],
            {name.value: found for name, found in self.chosen.of.items()},
            self._spenders(),
            self.largest,
        )
        sql, parameters = usage_sql.statement(asked, pieces, self.days)
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            *rows, state = cursor.fetchall()
        return rows, bool(state[-4])

    @property
    def _is_of_sessions(self) -> bool:
        """Quarters do not tell sessions apart."""
        return Dimension.SESSION in (*self.by, *self.chosen.of)

    def _cut(self) -> Cut:
        """The shortest list of days that answers it."""
        asked = {usage_sql.column_of_days(name) for name in (*self.by, *self.chosen.of)}
        return next(cut for cut, by in DIVIDED_BY.items() if asked <= {*by})

    def _spenders(self) -> Sequence[int] | None:
        """What quarters and lines have of the chosen keys: every key that is one with
        them."""
        if self.chosen.spender_ids is not None:
            return self.chosen.spender_ids
        chosen = self.chosen.of.get(Dimension.KEY)
        return None if chosen is None else keys.same_keys(chosen)

    def _cover(self, pieces: Pieces, number: int, span: Range) -> None:
        """Of which days, quarters and lines the range consists."""
        start, end = span.start, span.end
        # Days know of no single key among those that are one.
        if self.days is not None and self.chosen.spender_ids is None and start < end:
            zone, until = self.days
            first = day_of(zone, start)
            if day_start(zone, first) < start:
                first += DAY
            last = day_of(zone, min(end, until)) - DAY
            # The day that is being made: it has all of what was before `until`.
            if until <= end and until > day_start(zone, last + DAY):
                last += DAY
            if first <= last and day_start(zone, first) < min(end, until):
                pieces.days.append((number, first.isoformat(), last.isoformat()))
                self._finer(pieces, number, start, day_start(zone, first))
                start = min(day_start(zone, last + DAY), until)
        self._finer(pieces, number, start, end)

    def _finer(
        self, pieces: Pieces, number: int, start: datetime, end: datetime
    ) -> None:
        if start >= end:
            return
        first, last = _ceiling(start), floor(end, Bucket.QUARTER, "UTC")
        if self._is_of_sessions or first >= last:
            pieces.add_lines(number, start, end)
            return
        pieces.add_lines(number, start, first)
        pieces.add_quarters(number, first, last)
        pieces.add_lines(number, last, end)

    def by_subject(self, rows: list[Any]) -> dict[Group, Figures]:
        """Keys that are one are added up."""
        place = self.by.index(Dimension.KEY) if Dimension.KEY in self.by else None
        one: dict[int, int] = {}
        if place is not None:
            one = keys.first_keys({row[1 + place] for row in rows})
        found: dict[Group, Figures] = {}
        for number, *rest in rows:
            subjects = rest[: len(self.by)]
            if place is not None:
                subjects[place] = one.get(subjects[place], subjects[place])
            group = (number, tuple(subjects))
            used = Figures(*map(int, rest[len(self.by) :][:4]))
            if used != NOTHING:
                found[group] = found.get(group, NOTHING) + used
        return found


def _ceiling(moment: datetime) -> datetime:
    begun = floor(moment, Bucket.QUARTER, "UTC")
    return begun if begun == moment else begun + QUARTER


def now() -> datetime:
    """By the clock that the ledger goes by."""
    return dialect.now()
