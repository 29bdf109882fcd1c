"""Budgets between the Book and the database; they belong to an account under lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from billing.ledger import dialect, sql
from billing.ledger.budgets import NOTHING, BudgetRow, Budgets, Counter
from billing.ledger.dialect import NOW, listed, one_of, rows
from billing.ledger.pipeline import Row, Statement
from billing.ledger.rows import Pair
from billing.ledger.writes import Write
from billing.models import BudgetWindow
from billing.values.orders import Order, Place

_RAISED = (
    "(SELECT coalesce(sum(r.micros), 0) FROM billing_budgetraise r "
    "WHERE r.budget_id = b.id AND r.ended_at IS NULL "
    f"AND r.starts_at <= {NOW} AND r.ends_at > {NOW})"
)
_BUDGET = (
    "b.id, b.account_id, b.level, p.label, h.label, k.label, b.window, "
    f"b.limit_micros, b.model_pattern, b.operation, a.time_zone, {_RAISED}, "
    "w.starts, w.spent_micros, w.held_micros"
)
_NAMES = (
    "JOIN billing_account a ON a.id = b.account_id "
    "LEFT JOIN billing_unit p ON p.id = b.project_id "
    "LEFT JOIN billing_unit h ON h.id = b.holder_id "
    "LEFT JOIN billing_spender k ON k.id = b.spender_id "
)
_LATEST = (
    "LEFT JOIN billing_budgetwindow w ON w.budget_id = b.id AND w.starts = "
    "(SELECT max(x.starts) FROM billing_budgetwindow x WHERE x.budget_id = b.id)"
)
_SUBJECTS = one_of(
    "b.subject",
    (
        "'organization:' || s.account_id",
        "'project:' || s.project_id",
        "'member:' || s.holder_id",
        "'member_in_project:' || s.project_id || ':' || s.holder_id",
        "'key:' || coalesce(s.counts_as_id, s.id)",
    ),
)
# PLAN: a spender, then its limits by the index of their subjects.
READ_BUDGETS = (
    f"{sql.SPENDERS_LINE} SELECT l.leaf, {_BUDGET} "
    "FROM line l JOIN billing_spender s ON s.id = l.id "
    f"JOIN billing_budget b ON b.is_active AND {_SUBJECTS} {_NAMES} {_LATEST}"
)
READ_OF_ACCOUNT = (
    f"SELECT 0, {_BUDGET} FROM billing_budget b {_NAMES} {_LATEST} "
    f"WHERE b.is_active AND b.account_id IN ({listed('bigint')})"
)
# Chosen windows, whatever came after them.
READ_WINDOWS = (
    f"{rows(BudgetWindow, ('budget_id', 'starts'))} SELECT 0, {_BUDGET} "
    "FROM r JOIN billing_budget b ON b.id = r.budget_id AND b.is_active "
    f"{_NAMES} JOIN billing_budgetwindow w "
    "ON w.budget_id = r.budget_id AND w.starts = r.starts"
)
_FIGURES = ("budget_id", "starts", "spent_micros", "held_micros")
INSERT_WINDOWS = Write(
    BudgetWindow,
    _FIGURES,
    f"INSERT INTO billing_budgetwindow ({', '.join(_FIGURES)}) "
    "SELECT r.budget_id, r.starts, r.spent_micros, r.held_micros FROM r",
)
UPDATE_WINDOWS = Write(
    BudgetWindow,
    _FIGURES,
    "UPDATE billing_budgetwindow SET "
    "spent_micros = billing_budgetwindow.spent_micros + r.spent_micros, "
    "held_micros = billing_budgetwindow.held_micros + r.held_micros FROM r "
    "WHERE billing_budgetwindow.budget_id = r.budget_id "
    "AND billing_budgetwindow.starts = r.starts",
)


def question(spenders: Iterable[int], now: str | None) -> Statement:
    """For the limits of these spenders."""
    return READ_BUDGETS, dialect.json(sorted(set(spenders))), now, now


def reads(orders: Sequence[Order[object]], now: str | None) -> dict[str, Statement]:
    spenders = {order.spender_id for order in orders if isinstance(order, Place)}
    return {"budgets": question(spenders, now)} if spenders else {}


def take(budgets: Budgets, found: list[Row]) -> None:
    """What was asked by `question` or `READ_WINDOWS`."""
    for spender_id, *row in found:
        budget, (starts, spent, held) = _row_of(row), row[-3:]
        known = budgets.rows.setdefault(budget.id, budget)
        ids = budgets.of_spender.setdefault(spender_id, [])
        if budget.id not in ids:
            ids.append(budget.id)
        if starts is None:
            continue
        known.latest = max(known.latest or 0, starts)
        pair = (budget.id, starts)
        counter = budgets.counters.setdefault(pair, Counter())
        if not counter.is_known:
            counter.spent_micros += spent
            counter.held_micros += held
            counter.is_known = True


def _row_of(row: Sequence[Any]) -> BudgetRow:
    budget_id, account_id, level, project, holder, key, *rest = row[:-3]
    window, limit, pattern, operation, zone, raised = rest
    label = key or " in ".join(filter(None, (holder, project)))
    return BudgetRow(
        budget_id,
        account_id,
        level,
        label,
        window,
        limit,
        pattern,
        operation,
        zone,
        int(raised),
    )


def read_windows(budgets: Budgets, pairs: Iterable[Pair]) -> None:
    """Limits and counters of these windows, where they are not known."""
    wanted = [
        {"budget_id": budget, "starts": starts}
        for budget, starts in sorted(set(pairs))
        if not budgets.counters.get((budget, starts), NOTHING).is_known
    ]
    if wanted:
        now = dialect.now_parameter()
        parameter = dialect.json(wanted)
        take(budgets, dialect.run(READ_WINDOWS, parameter, now, now))


def read(budgets: Budgets, spenders: Iterable[int]) -> None:
    take(budgets, dialect.run(*question(spenders, dialect.now_parameter())))


def writes(budgets: Budgets) -> list[Statement]:
    changed = [
        {
            "budget_id": budget_id,
            "starts": starts,
            "spent_micros": counter.spent_more,
            "held_micros": counter.held_more,
            "is_new": counter.is_new,
        }
        for (budget_id, starts), counter in budgets.counters.items()
        if counter.is_new or counter.spent_more or counter.held_more
    ]
    new = [row for row in changed if row["is_new"]]
    known = [row for row in changed if not row["is_new"]]
    return INSERT_WINDOWS.statements(new) + UPDATE_WINDOWS.statements(known)
