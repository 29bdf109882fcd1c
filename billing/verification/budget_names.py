"""Calls verified by the limits in force: each names the windows that it has to.

What a window counts is added up from the calls that name it (`budgets`). A call that
names none, or the window of another day, would be right by its own word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from billing.ledger import budget_count, windows
from billing.ledger.budget_count import First
from billing.ledger.budgets import Call
from billing.models import Account, Budget, Hold
from billing.models.hold import UNRESOLVED
from billing.verification.registry import Wrong

ROWS_AT_ONCE = 2000
COLUMNS = ("id", "spender_id", "operation", "model", "is_envelope")
MORE = (
    *("placed_at", "budgets", "envelope_id", "state", "changed_at"),
    *("project_id", "holder_id"),
)


@dataclass(frozen=True, slots=True)
class Named:
    """A hold, and the windows that it names."""

    id: UUID
    spender_id: int
    operation: str
    model: str
    is_envelope: bool
    placed_at: datetime
    budgets: Any
    envelope_id: UUID | None
    state: str
    changed_at: datetime | None
    project_id: int | None
    holder_id: int | None

    def is_running_at(self, moment: datetime) -> bool:
        was_later = self.changed_at is not None and self.changed_at > moment
        return self.state in UNRESOLVED or was_later


def wrong_names() -> Iterator[Wrong]:
    """In the caller's snapshot. Of a limit that is not in force any more it is not
    known where its days began, or until when it bound anybody."""
    in_force = Budget.objects.filter(is_active=True)
    for account_id in sorted(set(in_force.values_list("account_id", flat=True))):
        account = Account.objects.filter(id=account_id).first()
        if account is None:  # found by another pass
            continue
        known = budget_count.spenders_of(account_id)
        limits = [
            (each, budget_count.first_of(each, account, known))
            for each in in_force.filter(account_id=account_id).order_by("id")
        ]
        holds = Hold.objects.filter(account_id=account_id)
        rows = holds.values_list(*COLUMNS, *MORE).iterator(chunk_size=ROWS_AT_ONCE)
        for hold in (Named(*row) for row in rows):
            for budget, first in limits:
                yield from _wrong(hold, budget, first)


def _wrong(hold: Named, budget: Budget, first: First) -> Iterator[Wrong]:
    starts = next((each for id_, each in hold.budgets if id_ == budget.id), None)
    is_later = hold.placed_at > budget.created_at
    if starts is None:
        call = Call(hold.spender_id, hold.operation, hold.model, hold.is_envelope)
        is_bound = first.binds(hold.spender_id, hold.project_id, hold.holder_id)
        is_bound = is_bound and first.row.is_for(call)
        if is_bound and (is_later or _was_counted_in(hold, budget, first)):
            yield Wrong("BUDGET_NOT_NAMED", f"hold={hold.id} budget={budget.id}")
        return
    zone, window = first.row.time_zone, budget.window
    expected = windows.start_of(window, zone, hold.placed_at)
    right = {expected if is_later else first.starts}
    if hold.placed_at == budget.created_at:
        right.add(expected)
    if starts in right or _is_of_its_run(hold, budget.id, starts):
        return
    if starts > max(right) and _was_then(hold, window, zone, starts):
        return
    yield Wrong(
        "BUDGET_WINDOW",
        f"hold={hold.id} budget={budget.id} starts={starts} expected={expected}",
    )


def _was_counted_in(hold: Named, budget: Budget, first: First) -> bool:
    """Whether it was running when the limit was made, in a window that counts that."""
    if budget.since == budget.created_at or hold.placed_at < first.lower:
        return False
    return hold.is_running_at(budget.created_at)


def _is_of_its_run(hold: Named, budget_id: int, starts: int) -> bool:
    """Whether it counts where the run does of which it is part."""
    if hold.envelope_id is None:
        return False
    run = Hold.objects.filter(id=hold.envelope_id, is_envelope=True).first()
    return run is not None and [budget_id, starts] in [list(p) for p in run.budgets]


def _was_then(hold: Named, window: str, zone: str, starts: int) -> bool:
    """Whether a later window had begun, for a clock that was set back since: it opens
    no earlier one again."""
    begun = datetime.fromtimestamp(starts, UTC)
    if windows.start_of(window, zone, begun) != starts:
        return False
    account = Hold.objects.filter(id=hold.id).values("account_id")
    return Hold.objects.filter(account_id__in=account, placed_at__gte=begun).exists()
