"""One window of a replayed limit: what is held, spent and refused, call after call."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import count
from typing import Any

from billing.ledger import dialect
from billing.ledger.budget_count import First
from billing.ledger.budget_subjects import Subject
from billing.ledger.budgets import Call
from billing.models import Correction
from billing.models.correction import CorrectionState
from billing.reports.periods import Range
from billing.reports.replay_rows import (
    Placed,
    Rows,
    Stretch,
    calls_of_runs,
)
from billing.reports.usage import Chosen, Dimension, figures

NEVER = "9999"  # as a time of the database, after all others


def held_by(stretches: Sequence[Stretch]) -> Iterator[int]:
    """For each ten minutes the most that may have been held in them: by the calls of
    all stretches before whose last had not ended."""
    running: list[tuple[datetime, int]] = []
    held = 0
    for stretch in stretches:
        while running and running[0][0] < stretch.starts:
            held -= heapq.heappop(running)[1]
        heapq.heappush(running, (stretch.last_end, stretch.sum_micros))
        held += stretch.sum_micros
        yield held


def charged_in(
    account_id: int, subject: Subject, rows: Rows, ranges: Sequence[Range]
) -> list[int]:
    """What was booked for the limit's calls in each range, as the pages have it."""
    of: dict[Dimension, tuple[int | str, ...]] = {}
    for dimension, name in (
        (Dimension.PROJECT, subject.project_id),
        (Dimension.HOLDER, subject.holder_id),
        (Dimension.KEY, subject.spender_id),
        (Dimension.OPERATION, rows.operation or None),
    ):
        if name is not None:
            of[dimension] = (name,)
    by = [Dimension.MODEL] if rows.pattern else []
    found = [0] * len(ranges)
    for (number, names), used in figures(Chosen(account_id, of), ranges, by).items():
        if not names or rows.is_for(rows.operation, str(names[0])):
            found[number] += used.charged_micros
    return found


class Words:
    """Second words on the limit's calls: what each charged more, or gave back."""

    def __init__(self, first: First, since: datetime) -> None:
        posted = Correction.objects.filter(
            account_id=first.row.account_id,
            state=CorrectionState.POSTED,
            ended_at__gte=since,
        ).exclude(charged_micros=0)
        self._of_call: dict[str, list[tuple[datetime, int]]] = {}
        self._rows: list[tuple[datetime, datetime, int]] = []
        for word in posted.select_related("hold"):
            units = (word.project_id, word.holder_id)
            call = Call(word.spender_id, word.operation, word.model)
            if first.binds(word.spender_id, *units) and first.row.is_for(call):
                assert word.ended_at is not None, "it is posted"
                said = (word.ended_at, word.charged_micros)
                self._of_call.setdefault(word.hold_id.hex, []).append(said)
                self._rows.append((word.hold.placed_at, *said))

    @property
    def is_empty(self) -> bool:
        return not self._rows

    def of_call(self, hold_id: Any) -> list[tuple[Any, int]]:
        """When, as the database has times, and how much."""
        if not self._of_call:
            return []
        words = self._of_call.get(dialect.hex_id(hold_id), [])
        return [(dialect.moment(at), n) for at, n in words]

    def posted(self, since: datetime, until: datetime) -> int:
        """In this time, of whichever calls."""
        return sum(n for _, at, n in self._rows if since <= at < until)

    def of_calls(self, since: datetime, until: datetime) -> int:
        """Of calls that were placed in this time, whenever."""
        return sum(n for at, _, n in self._rows if since <= at < until)

    def returned(self, since: datetime, until: datetime) -> int:
        """What was given back in this time, and so was spent before."""
        return -sum(n for _, at, n in self._rows if since <= at < until and n < 0)

    def moved(self, since: datetime, until: datetime) -> int:
        """At most, what they make a window's spending more than what was booked."""
        return self.returned(since, until) + sum(
            n for at, _, n in self._rows if since <= at < until and n > 0
        )


class WindowRun:
    """A window under way. What ends is taken in its turn: first what has ended by the
    moment of a call, then the call is held, or refused."""

    def __init__(self, limit_micros: int, words: Words) -> None:
        self._limit, self._words = limit_micros, words
        self._spent, self._held = 0, 0
        # When, a number for order, what is held less, what is spent more.
        self._ends: list[tuple[Any, int, int, int]] = []
        self._numbers = count()

    def begin(self, spent_micros: int, running: Iterable[Placed]) -> None:
        """With what was spent before, and what still runs."""
        self._spent += spent_micros
        for call in running:
            self._hold(call)

    def is_full_for(self, least_micros: int, moment: datetime) -> bool:
        """Whether nothing runs that could end, and nobody has room for so little."""
        self._pass(dialect.moment(moment))
        return not self._ends and self._spent + self._held + least_micros > self._limit

    def refuse(self, placed: Iterable[Placed]) -> Iterator[tuple[Placed, int, int]]:
        """Those that have no room, with what is spent and held by then."""
        calls = list(placed)
        runs = calls_of_runs([call.id for call in calls if call.is_run])
        for call in calls:
            self._pass(call.at)
            if self._spent + self._held + call.amount_micros > self._limit:
                yield call, self._spent, self._held
            elif call.is_run:
                self._open(call, runs[call.id])
            else:
                self._hold(call)

    def spent_in_the_end(self) -> int:
        self._pass(None)
        return self._spent

    def _pass(self, moment: Any) -> None:
        """All that has ended by then; None: whatever will."""
        while self._ends and (moment is None or self._ends[0][0] <= moment):
            _, _, held, spent = heapq.heappop(self._ends)
            self._held -= held
            self._spent += spent

    def _end(self, at: Any, held: int, spent: int) -> None:
        if at is not None and (held or spent):
            heapq.heappush(self._ends, (at, next(self._numbers), held, spent))

    def _hold(self, call: Placed) -> None:
        self._held += call.amount_micros
        self._end(call.ended_at, call.amount_micros, call.charged_micros)
        self._heed_words(call)

    def _heed_words(self, call: Placed) -> None:
        for at, micros in self._words.of_call(call.id):
            self._end(at, 0, micros)

    def _open(self, run: Placed, calls: Sequence[Placed]) -> None:
        """What was put in is held; what its calls cost leaves it, and when it closes
        all but what still runs."""
        self._held += run.amount_micros
        left = run.amount_micros
        closes = run.ended_at
        for call in sorted(calls, key=lambda each: each.ended_at or NEVER):
            self._heed_words(call)
            if closes is None or (call.ended_at or NEVER) <= closes:
                gone = min(left, call.charged_micros if call.ended_at else 0)
            else:
                gone = min(left, call.amount_micros)
            left -= gone
            self._end(call.ended_at, gone, call.charged_micros)
        self._end(closes, left, 0)
