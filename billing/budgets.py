"""Budgets: hard limits on what is spent in a window of time, at five levels.

All that apply to a call must have room for its hold; the ledger checks and takes it in
the hold's own transaction (`ledger/budgets.py`). Who may set one is the portal's to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from billing.models import Budget, BudgetRaise
from billing.models.budget import Level, Window


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a budget binds: units of the account, or a spender, as its level says."""

    level: Level
    project_id: int | None = None
    holder_id: int | None = None
    spender_id: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A limit that applies to a call, and where it stands; amounts in microcredits."""

    budget_id: int
    level: str
    label: str  # the name of whom it binds; "" for the organization
    window: str
    model_pattern: str
    operation: str
    limit_micros: int  # with the raises of now
    raised_micros: int
    used_micros: int
    held_micros: int
    left_micros: int  # never below zero
    resets_at: datetime | None  # null: never


def set_limit(
    account_id: int,
    subject: Subject,
    window: Window,
    limit_micros: int,
    *,
    counts_spend_so_far: bool,
    model_pattern: str = "",
    operation: str = "",
) -> Budget:
    """A new limit, or another for the same subject, window, models and operation.
    What was spent and is held in the present window counts, or none of it. A limit
    below what is spent refuses the next call.

    Raises: ValueError for an amount outside 1 … 10^15, a subject that is not the
    account's, an unknown window, a pattern or an operation that makes no sense.
    """
    raise NotImplementedError


def remove(budget_id: int) -> None:
    """It binds nobody any more, from the next hold on; for good."""
    raise NotImplementedError


def raise_limit(budget_id: int, micros: int, *, until: datetime) -> BudgetRaise:
    """So much more until then, in every window that begins before.

    Raises: ValueError for an amount outside 1 … 10^15 or a time that is past;
    Budget.DoesNotExist when it is not in force.
    """
    raise NotImplementedError


def end_raise(raise_id: int) -> None:
    """Take it back now."""
    raise NotImplementedError


def set_time_zone(account_id: int, name: str) -> None:
    """Where the account's days begin from now on. Its budgets count their present
    windows anew. Raises: ValueError for no time zone."""
    raise NotImplementedError


def chain_of(spender_id: int, model: str = "", operation: str = "") -> list[Link]:
    """Every limit that applies to such a call, the one that binds first: the least
    left. Without a model or an operation, also those for some only."""
    raise NotImplementedError


def of_account(account_id: int) -> list[Link]:
    """Every limit in force."""
    raise NotImplementedError
