"""What counts in a budget that did not exist when it was held or spent.

A budget may be made to count its present window from the start, and what an ended
call costs may be corrected. Both find the same calls: those of its subject, held in its
first window and before it was made, that do not name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet, Sum

from billing.ledger import budgets, dialect, envelopes, windows
from billing.ledger.book import Book
from billing.ledger.budgets import BudgetRow, Call
from billing.ledger.rows import HoldRow
from billing.models import (
    Account,
    Budget,
    Correction,
    Hold,
    Spender,
    UsageRecord,
)
from billing.models.correction import CorrectionState
from billing.models.hold import HoldState


@dataclass(frozen=True, slots=True)
class First:
    """A budget's first window, as far as it counts what was before the budget."""

    row: BudgetRow
    starts: int
    lower: datetime
    spenders: frozenset[int]  # whom it binds now
    units: tuple[int | None, int | None]  # its project and its holder

    def binds(
        self, spender_id: int, project_id: int | None, holder_id: int | None
    ) -> bool:
        """Whether a call's units were bound, which its rows name: a key may have
        another holder since. Where they name none, whom it binds now."""
        if (project_id, holder_id) == (None, None) or self.units == (None, None):
            return spender_id in self.spenders
        project, holder = self.units
        return project in {None, project_id} and holder in {None, holder_id}

    def bound(self) -> Q:
        """The same as a condition."""
        by_spender = Q(spender_id__in=self.spenders)
        if self.units == (None, None):
            return by_spender
        named = zip(("project_id", "holder_id"), self.units, strict=True)
        of_units = Q(**{name: unit for name, unit in named if unit is not None})
        is_unnamed = Q(project_id=None, holder_id=None)
        return of_units | is_unnamed & by_spender


def first_of(
    budget: Budget, account: Account, known: Mapping[int, Spender] | None = None
) -> First:
    """Of the `known` spenders (none given: all of the account) it says whom it binds.
    Who asks for many budgets reads them once."""
    starts = starts_of(budget, account)
    row = BudgetRow(
        budget.id,
        budget.account_id,
        budget.level,
        "",
        budget.window,
        budget.limit_micros,
        budget.model_pattern,
        budget.operation,
        account.time_zone,
        0,
    )
    lower = budget.since or datetime.fromtimestamp(starts, UTC)
    if known is None:
        known = spenders_of(account.id)
    units = (budget.project_id, budget.holder_id)
    return First(row, starts, lower, _bound_by(budget, known), units)


def starts_of(budget: Budget, account: Account) -> int:
    """When its first window begins."""
    return windows.start_of(budget.window, account.time_zone, budget.created_at)


def spenders_of(account_id: int) -> dict[int, Spender]:
    return {each.id: each for each in Spender.objects.filter(account=account_id)}


def _line_of(spender_id: int) -> dict[int, Spender]:
    """A spender, and those whose runs it is part of."""
    found: dict[int, Spender] = {}
    above: int | None = spender_id
    while above is not None and above not in found:
        found[above] = Spender.objects.get(id=above)
        above = found[above].parent_id
    return found


def _bound_by(budget: Budget, known: Mapping[int, Spender]) -> frozenset[int]:
    """Its spenders, and those of their runs."""
    found = set()
    for spender in known.values():
        line: dict[int, None] = {}  # in its order; who verifies may find a ring
        above: Spender | None = spender
        while above is not None and above.id not in line:
            line[above.id] = None
            above = known.get(above.parent_id or 0)
        counted = [known[each].limited_id for each in line]
        if budget.subject in budgets.subjects(
            budget.account_id, spender.project_id, spender.holder_id, counted
        ):
            found.add(spender.id)
    return frozenset(found)


def count(
    book: Book, budget: Budget, running: Iterable[str], earlier: int | None
) -> None:
    """Let the new budget count what was spent in its window before, and what the
    account's `running` holds keep, which the Book has: all under the account's lock.

    What a run has set aside in the `earlier` budget, whose place it takes, is set aside
    in the new one, too, whenever that was: its calls need no room a second time.
    """
    first = first_of(budget, Account.objects.get(id=budget.account_id))
    pair = (budget.id, first.starts)
    is_empty = budget.since == budget.created_at
    book.budgets.open([pair])
    if not is_empty:
        book.budgets.change([pair], spent=spent_before(budget, first))
    lower = dialect.moment(first.lower)
    for hold in map(book.holds.__getitem__, running):
        call = Call(hold.spender_id, hold.operation, hold.model, hold.is_envelope)
        is_bound = _is_bound(first, hold) and first.row.is_for(call)
        is_within = is_bound and hold.placed_at >= lower and not is_empty
        if is_within or _is_set_aside(book, hold, earlier):
            hold.budgets = [*hold.budgets, pair]
            hold.changed = True
            book.budgets.change([pair], held=hold.amount_micros)


def _is_bound(first: First, hold: HoldRow) -> bool:
    return first.binds(hold.spender_id, hold.project_id, hold.holder_id)


def _is_set_aside(book: Book, hold: HoldRow, budget_id: int | None) -> bool:
    """Whether a run has set it aside in that budget."""
    run = hold if hold.is_envelope else envelopes.innermost(book, hold)
    return run is not None and any(budget == budget_id for budget, _ in run.budgets)


def spent_before(budget: Budget, first: First) -> int:
    """By calls of its first window that ended before it was made, as they cost now."""
    calls: QuerySet[Any] = UsageRecord.objects.all()
    words: QuerySet[Any] = Correction.objects.filter(state=CorrectionState.POSTED)
    return _spent(budget, first, calls) + _spent(budget, first, words)


def _spent(budget: Budget, first: First, rows: QuerySet[Any]) -> int:
    found = rows.filter(
        first.bound(),
        account_id=budget.account_id,
        hold__placed_at__gte=first.lower,
        hold__placed_at__lte=budget.created_at,
    ).exclude(hold_id__in=naming(budget.id))
    sums = found.values_list("spender_id", "operation", "model").annotate(
        Sum("charged_micros")
    )
    return sum(
        micros
        for spender_id, operation, model, micros in sums
        if first.row.is_for(Call(spender_id, operation, model))
    )


def naming(budget_id: int) -> QuerySet[Any, Any]:
    """The holds that count in it by their own word; of the moment of its making only
    these are in question."""
    budget = Budget.objects.get(id=budget_id)
    held = Hold.objects.filter(account_id=budget.account_id)
    ended = (HoldState.SETTLED, HoldState.RELEASED)
    started = held.filter(placed_at__lte=budget.created_at).exclude(
        changed_at__lt=budget.created_at, state__in=ended
    )
    ids = [
        hold_id
        for hold_id, pairs in started.values_list("id", "budgets")
        if any(each == budget_id for each, _ in pairs)
    ]
    return Hold.objects.filter(id__in=ids).values("id")


def heed_corrections(book: Book) -> None:
    """What is posted now of calls that have ended counts where they do."""
    for row in book.ended_corrections:
        if row["state"] == CorrectionState.POSTED.value and row["charged_micros"]:
            hold = book.holds[row["hold_id"]]
            pairs = [*hold.budgets, *_unnamed(hold)]
            book.budgets.change(pairs, spent=row["charged_micros"])


def _unnamed(hold: HoldRow) -> Iterable[tuple[int, int]]:
    """Windows that count an ended call which does not name them."""
    placed_at = dialect.instant(hold.placed_at)
    made_later = Budget.objects.filter(
        account_id=hold.account_id, created_at__gte=placed_at, is_active=True
    )
    named = {budget for budget, _ in hold.budgets}
    account = Account.objects.get(id=hold.account_id)
    call = Call(hold.spender_id, hold.operation, hold.model)
    line: dict[int, Spender] = {}
    for budget in made_later.exclude(id__in=named):
        if budget.since == budget.created_at:
            continue
        line = line or _line_of(hold.spender_id)
        first = first_of(budget, account, line)
        is_bound = _is_bound(first, hold) and first.row.is_for(call)
        if is_bound and placed_at >= first.lower:
            yield budget.id, first.starts
