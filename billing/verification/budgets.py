"""Budgets verified: what counts in each window, and whose runs are whose.

A call names the windows that it counts in, and its hold is sealed. What a budget
counted of the time before it was made is found as it was then
(`ledger/budget_count.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from billing.ledger import budget_count
from billing.ledger.dialect import budget_pairs
from billing.models import Account, Budget, Spender
from billing.verification.registry import Wrong

PASSES = {
    "BUDGET_OF_STRANGER": f"""
        SELECT p.hold_id AS hold, p.budget_id AS budget, p.starts AS starts
        FROM ({budget_pairs()}) AS p
        LEFT JOIN billing_budget b ON b.id = p.budget_id
        LEFT JOIN billing_budgetwindow w
             ON w.budget_id = p.budget_id AND w.starts = p.starts
        WHERE coalesce(b.account_id, 0) <> p.account_id OR w.budget_id IS NULL""",
    # A limit is looked up by what its columns say.
    "BUDGET_SUBJECT": """
        SELECT id AS budget, subject FROM billing_budget
        WHERE subject <> level || ':' || CASE level
              WHEN 'organization' THEN CAST(account_id AS text)
              WHEN 'project' THEN CAST(project_id AS text)
              WHEN 'member' THEN CAST(holder_id AS text)
              WHEN 'key' THEN CAST(spender_id AS text)
              ELSE CAST(project_id AS text) || ':' || CAST(holder_id AS text) END""",
    # Keys that were rotated one into the next count as the first of them.
    "LIMITED_AS_STRANGER": """
        SELECT s.id AS spender, s.counts_as_id AS counts_as
        FROM billing_spender s JOIN billing_spender f ON f.id = s.counts_as_id
        WHERE f.account_id <> s.account_id OR f.counts_as_id IS NOT NULL
           OR s.parent_id IS NOT NULL""",
    # A run's spender, its hold and whose it is name each other.
    "RUN_MISMATCH": """
        SELECT h.id AS hold, e.spender_id AS spender, e.parent_id AS parent
        FROM billing_hold h LEFT JOIN billing_envelope e ON e.hold_id = h.id
        LEFT JOIN billing_spender s ON s.id = e.spender_id
        WHERE (h.is_envelope OR e.hold_id IS NOT NULL)
          AND (NOT h.is_envelope OR e.hold_id IS NULL
               OR e.account_id <> h.account_id OR e.parent_id <> h.spender_id
               OR s.parent_id IS NULL OR s.parent_id <> e.parent_id
               OR s.envelope_id IS NULL OR s.envelope_id <> h.id)""",
    # Whatever a run's spender holds comes out of it, and nothing else does.
    "CALL_OUTSIDE_RUN": """
        SELECT h.id AS hold, h.envelope_id AS taken_from, s.envelope_id AS run
        FROM billing_hold h JOIN billing_spender s ON s.id = h.spender_id
        LEFT JOIN billing_hold r ON r.id = h.envelope_id
        WHERE (h.envelope_id IS NULL) <> (s.envelope_id IS NULL)
           OR h.envelope_id <> s.envelope_id
           OR r.account_id <> h.account_id OR NOT r.is_envelope""",
}

# What each window counts, and what the calls that name it make of that.
COUNTERS = f"""
    SELECT w.budget_id, w.starts, w.spent_micros, w.held_micros,
           coalesce(d.spent, 0), coalesce(d.held, 0)
    FROM billing_budgetwindow w
    LEFT JOIN billing_budget b ON b.id = w.budget_id
    LEFT JOIN (
        SELECT p.budget_id, p.starts,
               sum(CASE WHEN p.state IN ('open', 'in_doubt')
                        THEN h.amount_micros ELSE 0 END) AS held,
               sum(coalesce(u.charged_micros, 0) + coalesce(c.charged, 0)) AS spent
        FROM ({budget_pairs()}) AS p JOIN billing_hold h ON h.id = p.hold_id
        LEFT JOIN billing_usagerecord u ON u.hold_id = p.hold_id
        LEFT JOIN (SELECT hold_id, sum(charged_micros) AS charged
                   FROM billing_correction WHERE state = 'posted'
                   GROUP BY hold_id) AS c ON c.hold_id = p.hold_id
        GROUP BY p.budget_id, p.starts
    ) AS d ON d.budget_id = w.budget_id AND d.starts = w.starts
    ORDER BY b.account_id"""
ROWS_AT_ONCE = 2000


class Counted(NamedTuple):
    """A window's stored figures, and those derived from the calls that name it."""

    budget_id: int
    starts: int
    spent: int
    held: int
    named_spent: int
    named_held: int


def wrong_windows() -> Iterator[Wrong]:
    """Windows that do not count what they should, in the caller's snapshot."""
    known: dict[int, dict[int, Spender]] = {}
    with connection.chunked_cursor() as cursor:
        cursor.execute(COUNTERS)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            for row in rows:
                counted = Counted(*map(int, row))
                before = _before(counted, known)
                derived = (counted.named_spent + before, counted.named_held)
                if (counted.spent, counted.held) != derived:
                    yield Wrong(
                        "BUDGET_MISMATCH",
                        f"budget={counted.budget_id} starts={counted.starts} "
                        f"spent={counted.spent} held={counted.held} derived={derived}",
                    )


def _before(counted: Counted, known: dict[int, dict[int, Spender]]) -> int:
    """What was spent in it before the budget was made. Of one that binds nobody any
    more it is not known what it was: what it says is taken for it. `known`: the
    spenders of the account that was asked for last, read once for all its windows.
    """
    budget = Budget.objects.filter(id=counted.budget_id).first()
    if budget is None or _counts_nothing_before(budget.since, budget.created_at):
        return 0
    if not budget.is_active:
        return max(0, counted.spent - counted.named_spent)
    account = Account.objects.filter(id=budget.account_id).first()
    if account is None:  # found by another pass
        return 0
    if counted.starts != budget_count.starts_of(budget, account):
        return 0
    if account.id not in known:
        known.clear()
        known[account.id] = budget_count.spenders_of(account.id)
    first = budget_count.first_of(budget, account, known[account.id])
    return budget_count.spent_before(budget, first)


def _counts_nothing_before(since: datetime | None, created_at: datetime) -> bool:
    return since is not None and since >= created_at
