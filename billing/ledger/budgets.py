"""Budgets under an account's lock: which limits a call has to pass, and what counts.

A hold names the windows that it counts in, so that nothing here ever asks the clock
twice. A call of a run counts where its run does: those are taken from the run, and only
what the run does not count in is taken anew. No database in this file: `budget_rows`
reads and writes what is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from billing.ledger import windows
from billing.ledger.rows import HoldRow, Pair
from billing.values import errors, patterns


@dataclass(slots=True)
class BudgetRow:
    """A limit in force. `latest` is when the last window begins that counts anything:
    a clock that was set back does not open an earlier one again."""

    id: int
    account_id: int
    level: str
    label: str
    window: str
    limit_micros: int
    model_pattern: str
    operation: str
    time_zone: str
    raised_micros: int
    latest: int | None = None

    @property
    def most_micros(self) -> int:
        return self.limit_micros + self.raised_micros

    def pair_at(self, moment: datetime) -> Pair:
        """The window that counts now."""
        starts = windows.start_of(self.window, self.time_zone, moment)
        return self.id, max(starts, self.latest or 0)

    def is_for(self, call: Call) -> bool:
        if call.is_envelope:  # it may be spent on anything
            return not (self.model_pattern or self.operation)
        if self.operation and self.operation != call.operation:
            return False
        return not self.model_pattern or is_match(self.model_pattern, call.model)


@dataclass(frozen=True, slots=True)
class Call:
    """What a budget asks of a hold that is wanted."""

    spender_id: int
    operation: str
    model: str
    is_envelope: bool = False


@dataclass(slots=True)
class Counter:
    """What counts in a window. Where it was not read, the figures say what changes."""

    spent_micros: int = 0
    held_micros: int = 0
    spent_more: int = 0
    held_more: int = 0
    is_new: bool = False
    is_known: bool = False


# Of a window in which nothing counts yet.
NOTHING = Counter()


def _nothing(account_id: int, pair: Pair | None) -> int:
    return 0


@dataclass(slots=True)
class Budgets:
    """The limits of some spenders, with their counters. `held_by_runs` is asked where
    something is refused: what an account's runs hold, or what of it counts in a
    window."""

    rows: dict[int, BudgetRow] = field(default_factory=dict)
    of_spender: dict[int, list[int]] = field(default_factory=dict)
    counters: dict[Pair, Counter] = field(default_factory=dict)
    held_by_runs: Callable[[int, Pair | None], int] = _nothing

    def room_for(
        self, call: Call, amount: int, moment: datetime, within: HoldRow | None
    ) -> list[Pair]:
        """The windows in which the call counts beside those of its run.

        Raises: BudgetExceeded, of the limit that is hardest to wait for.
        """
        counted = {budget for budget, _ in within.budgets} if within else set()
        pairs: list[Pair] = []
        refusals: list[errors.BudgetExceeded] = []
        for budget_id in self.of_spender.get(call.spender_id, ()):
            row = self.rows[budget_id]
            if budget_id in counted or not row.is_for(call):
                continue
            pair = row.pair_at(moment)
            counter = self.counters.get(pair, NOTHING)
            if counter.spent_micros + counter.held_micros + amount > row.most_micros:
                refusals.append(self.refusal(pair, amount))
            pairs.append(pair)
        if refusals:
            raise min(refusals, key=_hardest)
        return pairs

    def refusal(self, pair: Pair, required: int) -> errors.BudgetExceeded:
        row, counter = self.rows[pair[0]], self.counters.get(pair, NOTHING)
        may_wait = counter.spent_micros + required <= row.most_micros
        of_runs = self.held_by_runs(row.account_id, pair) if may_wait else 0
        return errors.BudgetExceeded(
            budget_id=row.id,
            level=row.level,
            label=row.label,
            window=row.window,
            model_pattern=row.model_pattern,
            operation=row.operation,
            limit_micros=row.most_micros,
            used_micros=counter.spent_micros,
            held_micros=counter.held_micros,
            of_runs_micros=min(of_runs, counter.held_micros),
            required_micros=required,
            resets_at=windows.end_of(row.window, row.time_zone, pair[1]),
        )

    def lacking(self, pairs: Iterable[Pair], amount: int) -> Pair | None:
        """One of these known windows that has no room for so much more."""
        for pair in pairs:
            row, counter = self.rows.get(pair[0]), self.counters.get(pair)
            if row is None or counter is None or not counter.is_known:
                continue  # it is not in force any more
            if counter.spent_micros + counter.held_micros + amount > row.most_micros:
                return pair
        return None

    def ended(self, pairs: Iterable[Pair], moment: datetime) -> BudgetRow | None:
        """The limit of one of these windows that has another one by now."""
        for pair in pairs:
            row = self.rows.get(pair[0])
            if row is not None and row.pair_at(moment) != pair:
                return row
        return None

    def is_over(self, hold: HoldRow) -> bool:
        """Whether a window in which it counts is beyond its limit now."""
        return self.lacking(hold.budgets, 0) is not None

    def open(self, pairs: Iterable[Pair]) -> None:
        """Windows that may be the first of their kind."""
        for pair in pairs:
            if pair not in self.counters:
                self.counters[pair] = Counter(is_new=True, is_known=True)
                if row := self.rows.get(pair[0]):
                    row.latest = pair[1]

    def change(self, pairs: Iterable[Pair], *, spent: int = 0, held: int = 0) -> None:
        if not (spent or held):
            return
        for pair in pairs:
            counter = self.counters.get(pair)
            if counter is None:
                counter = self.counters[pair] = Counter()
            counter.spent_micros += spent
            counter.spent_more += spent
            counter.held_micros += held
            counter.held_more += held

    def end(
        self, hold: HoldRow, run: HoldRow | None, captured: int, spent: int
    ) -> None:
        """A hold has ended, of which `captured` was used and the rest went back to
        `run`, if it is part of one."""
        kept = set(run.budgets) if run else set()
        inside = [pair for pair in hold.budgets if pair in kept]
        beside = [pair for pair in hold.budgets if pair not in kept]
        self.change(inside, spent=spent, held=-captured)
        self.change(beside, spent=spent, held=-hold.amount_micros)


def _hardest(refusal: errors.BudgetExceeded) -> tuple[bool, int]:
    return refusal.is_free_soon, refusal.limit_micros - refusal.used_micros


# --- what it is for, and whom it binds ---------------------------------------------


def is_match(pattern: str, model: str) -> bool:
    """Whether one of the patterns, separated by commas, is the whole of the name;
    capitals do not matter: a limit cannot be dodged by them."""
    parts = tuple(each.strip().casefold() for each in pattern.split(","))
    return patterns.matches(parts, model.casefold())


def subjects(
    account_id: int, project_id: int | None, holder_id: int | None, line: Sequence[int]
) -> set[str]:
    """By what the budgets of a spender are looked up; `line`: as whom it counts, and
    so those whose run it is part of."""
    found = {f"organization:{account_id}", *(f"key:{each}" for each in line)}
    if project_id is not None:
        found.add(f"project:{project_id}")
    if holder_id is not None:
        found.add(f"member:{holder_id}")
    if project_id is not None and holder_id is not None:
        found.add(f"member_in_project:{project_id}:{holder_id}")
    return found
