"""The time machine: what a limit would have refused, had it been set before.

The calls of the past are held again in their order, by the rules of the hold itself:
`spent + held + amount ≤ limit`, window by window in the account's time zone. What is
refused is not spent, so what comes after it has more room than it had.

The database is asked for as little as that needs. Sums of ten minutes say in which
windows a limit may have bound at all (`_may_bind`); only their calls are read, and
no more of them once nothing is left that any later call would have had room in.

What a hold kept is what it kept at its end: a job that was raised counts with that, and
a run with all that was put into it. What was refused in truth is not in the books.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from billing.ledger import budget_count, dialect, windows
from billing.ledger.budget_subjects import Subject, terms_of
from billing.models import Account, Budget
from billing.models.budget import Level, Window
from billing.reports import keys
from billing.reports.periods import Range
from billing.reports.replay_rows import BUCKET, Placed, Rows, Stretch, instant
from billing.reports.replay_window import WindowRun, Words, charged_in, held_by

DAYS = 90
LISTED = 50
# So many single calls are read in any case, and more for so long; then it says how far
# it came.
READ, SECONDS = 20_000, 1.0
PIECE = 12  # stretches of ten minutes whose calls are read at once
LONGEST = timedelta(days=2)  # that a call may have run


@dataclass(frozen=True, slots=True)
class Proposal:
    """A limit that nobody has set yet."""

    subject: Subject
    window: Window
    limit_micros: int
    model_pattern: str = ""
    operation: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that would not have been made, or a run that would not have been opened,
    and what its window had by then."""

    hold_id: UUID
    at: datetime
    spender_id: int
    spender_label: str
    model: str
    is_run: bool
    required_micros: int
    used_micros: int
    held_micros: int


@dataclass(frozen=True, slots=True)
class Peak:
    """The window in which most was spent, as far as the limit let it."""

    starts: datetime
    spent_micros: int


@dataclass(slots=True)
class Replay:
    """What would have become of the calls from `since` until before `until`. `looked`
    is how far: before `until` where there was no time for more."""

    since: datetime
    until: datetime
    looked: datetime
    calls: int = 0  # that it is for
    refused: int = 0
    keys: int = 0
    windows: int = 0  # in which it would have bound
    listed: list[Refused] = field(default_factory=list)  # the first of them
    highest: Peak | None = None

    @property
    def first(self) -> Refused | None:
        return self.listed[0] if self.listed else None

    @property
    def is_complete(self) -> bool:
        return self.looked >= self.until


def replay(account_id: int, proposal: Proposal, *, days: int = DAYS) -> Replay:
    """As if it had been set so many days ago, at the beginning of its window then; one
    for good counts from there.

    Raises: ValueError for a subject that is not the account's.
    """
    account = Account.objects.get(id=account_id)
    until = dialect.now().astimezone(UTC)
    since = _begin(proposal.window, account.time_zone, until - timedelta(days=days))
    machine = _Machine(account, proposal, since, until)
    return machine.run()


def _begin(window: str, zone: str, moment: datetime) -> datetime:
    if window == Window.TOTAL:
        return moment
    return datetime.fromtimestamp(windows.start_of(window, zone, moment), UTC)


@dataclass(slots=True)
class _Span:
    """One window, and what is known of it without its calls."""

    starts: datetime
    ends: datetime
    stretches: list[Stretch]
    # Charged on each of its days, or on parts of them, for calls of any window.
    days: list[tuple[datetime, int]] = field(default_factory=list)
    is_plain: bool = True  # no run counts in it

    @property
    def booked_micros(self) -> int:
        return sum(micros for _, micros in self.days)

    @property
    def is_of_runs(self) -> bool:
        return any(stretch.runs for stretch in self.stretches)


class _Machine:
    """One replay under way."""

    def __init__(
        self, account: Account, proposal: Proposal, since: datetime, until: datetime
    ) -> None:
        self.account, self.proposal = account, proposal
        self.limit = proposal.limit_micros
        budget = Budget(
            **terms_of(account.id, proposal.subject),
            account_id=account.id,
            window=proposal.window,
            limit_micros=proposal.limit_micros,
            model_pattern=proposal.model_pattern,
            operation=proposal.operation,
            created_at=until,
        )
        first = budget_count.first_of(budget, account)
        everybody = proposal.subject.level == Level.ORGANIZATION
        self.rows = Rows(first, binds_everybody=everybody)
        self.found = Replay(since, until, until)
        # Of what ran when the first window began, too.
        self.stretches = self.rows.stretches(since - LONGEST, until)
        self.words = Words(first, since)
        self.refusers: set[int] = set()
        self.read = 0
        self.deadline = time.monotonic() + SECONDS

    def run(self) -> Replay:
        quiet = []
        before: _Span | None = None
        for span in self._spans():
            self.found.calls += sum(stretch.count for stretch in span.stretches)
            # A run that goes on counts in the window in which it began.
            span.is_plain = not span.is_of_runs and not (before and before.is_of_runs)
            before = span
            if span.is_plain and not self._may_bind(span):
                quiet.append(span)
            else:
                self._replay(span)
        self._heed_quiet(quiet)
        self.found.keys = len(set(keys.first_keys(self.refusers).values()))
        return self.found

    def _spans(self) -> list[_Span]:
        """The windows, the oldest first."""
        window, zone = self.proposal.window, self.account.time_zone
        starts, found = self.found.since, []
        while starts < self.found.until:
            begun = windows.start_of(window, zone, starts)
            ends = windows.end_of(window, zone, begun) or self.found.until
            ends = min(ends, self.found.until)
            within = [s for s in self.stretches if starts - BUCKET < s.starts < ends]
            found.append(_Span(starts, ends, within))
            starts = ends
        self._add_days(found)
        return found

    def _add_days(self, spans: list[_Span]) -> None:
        zone = self.account.time_zone
        ranges: list[Range] = []
        owners: list[_Span] = []
        for span in spans:
            starts = span.starts
            while starts < span.ends:
                begun = windows.start_of(Window.DAY, zone, starts)
                ends = windows.end_of(Window.DAY, zone, begun) or span.ends
                ranges.append(Range(starts, min(ends, span.ends)))
                owners.append(span)
                starts = ranges[-1].end
        subject = self.proposal.subject
        booked = charged_in(self.account.id, subject, self.rows, ranges)
        for span, of, micros in zip(owners, ranges, booked, strict=True):
            span.days.append((of.start, micros))

    def _may_bind(self, span: _Span) -> bool:
        """Never false where it did: what a window's calls had cost by some moment was
        booked in its time, and what they held is in the sums of those that ran then."""
        returned = self.words.returned(span.starts, span.ends)
        most = span.booked_micros + returned
        return any(most + held > self.limit for held in held_by(span.stretches))

    # --- call by call ----------------------------------------------------------------

    def _replay(self, span: _Span) -> None:
        window = WindowRun(self.limit, self.words)
        refused_before, begins = self.found.refused, self._pass_days(span, window)
        stretches = [s for s in span.stretches if s.starts + BUCKET > begins]
        for first in range(0, len(stretches), PIECE):
            piece = stretches[first : first + PIECE]
            since = max(begins, piece[0].starts)
            until = min(span.ends, piece[-1].starts + BUCKET)
            if self.read > READ and time.monotonic() > self.deadline:
                self.found.looked = min(self.found.looked, since)
                break
            self._refuse(piece, window, since, until)
        self.found.windows += self.found.refused > refused_before
        self._heed_peak(span.starts, window.spent_in_the_end())

    def _refuse(
        self,
        piece: list[Stretch],
        window: WindowRun,
        since: datetime,
        until: datetime,
    ) -> None:
        count = sum(each.count for each in piece)
        is_listed = len(self.found.listed) >= LISTED
        least = min(each.least_micros for each in piece)
        if is_listed and window.is_full_for(least, since):
            # Nobody had room any more: counted, and not read.
            self.found.refused += count
            self.refusers |= self.rows.spenders(since, until)
            return
        self.read += count
        for each, used, held in window.refuse(self.rows.placed(since, until)):
            self.found.refused += 1
            self.refusers.add(each.spender_id)
            if len(self.found.listed) < LISTED:
                self.found.listed.append(_refused(each, used, held))

    def _pass_days(self, span: _Span, window: WindowRun) -> datetime:
        """Let the days at the window's beginning pass on which everybody had room:
        what they spent, and what of them still ran. Where the next one begins."""
        begins, booked = span.starts, 0
        if not span.is_plain or not self.words.is_empty:
            return begins
        for (day, micros), (ends, _) in pairwise([*span.days, (span.ends, 0)]):
            within = [s for s in span.stretches if s.starts < ends]
            held = [
                held
                for stretch, held in zip(within, held_by(within), strict=True)
                if stretch.starts + BUCKET > day
            ]
            if booked + micros + max(held, default=0) > self.limit:
                break
            begins, booked = ends, booked + micros
        if begins > span.starts:
            entered = sum(
                call.charged_micros
                for call in self._running_at(span.starts)
                if call.ended_at is not None and instant(call.ended_at) < begins
            )
            still = self._running_at(begins, since=span.starts)
            window.begin(booked - entered, still)
        return begins

    def _heed_quiet(self, quiet: list[_Span]) -> None:
        """In a window in which it did not bind all was spent that was spent: only of
        those that may be the highest is it added up."""
        quiet.sort(key=lambda span: -self._most_spent(span))
        for span in quiet:
            highest = self.found.highest
            if highest and highest.spent_micros >= self._most_spent(span):
                return
            self._heed_peak(span.starts, self._spent(span))

    def _most_spent(self, span: _Span) -> int:
        later = sum(s.sum_micros for s in span.stretches if s.last_end >= span.ends)
        return span.booked_micros + later + self.words.moved(span.starts, span.ends)

    def _spent(self, span: _Span) -> int:
        """By the calls that were placed in it, whenever they ended."""
        entered, left = self._carried(span.starts), self._carried(span.ends)
        said = self.words.of_calls(span.starts, span.ends)
        return (
            span.booked_micros
            - self.words.posted(span.starts, span.ends)
            + (said + left - entered)
        )

    def _carried(self, moment: datetime) -> int:
        """What calls cost that ran at that moment."""
        running = self._running_at(moment)
        return sum(call.charged_micros for call in running if call.ended_at is not None)

    def _running_at(
        self, moment: datetime, since: datetime | None = None
    ) -> list[Placed]:
        """The calls that were placed before it, and had not ended."""
        found = []
        for stretch in self.stretches:
            if stretch.starts < moment <= stretch.last_end:
                starts = max(stretch.starts, since or stretch.starts)
                until = min(moment, stretch.starts + BUCKET)
                for call in self.rows.placed(starts, until):
                    if call.ended_at is None or instant(call.ended_at) >= moment:
                        found.append(call)
        return found

    def _heed_peak(self, starts: datetime, spent: int) -> None:
        highest = self.found.highest
        if spent and (highest is None or spent > highest.spent_micros):
            self.found.highest = Peak(starts, spent)


def _refused(call: Placed, used: int, held: int) -> Refused:
    return Refused(
        UUID(dialect.hex_id(call.id)),
        instant(call.at),
        call.spender_id,
        call.label,
        call.model,
        call.is_run,
        call.amount_micros,
        used,
        held,
    )
