"""Bugs to plant: each breaks one rule of budgets, runs or lots, and has a test that
must notice. As pytest's plugin it plants the one that PLANTED names.

`python -m tests.planted` lists and tries them all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

VARIABLE = "PLANTED"
LIMITS = "tests/billing/budgets/test_limits.py"
OVER_TIME = "tests/billing/budgets/test_limits_over_time.py"
COUNTING = "tests/billing/budgets/test_counting.py"
ENVELOPES = "tests/billing/budgets/test_envelopes.py"
IN_EACH_OTHER = "tests/billing/budgets/test_envelopes_in_each_other.py"
CLOSED = "tests/billing/budgets/test_envelopes_closed.py"
SUCCESSORS = "tests/billing/budgets/test_successors.py"
REFUSED = "tests/billing/budgets/test_envelopes_refused.py"
RACE = "tests/billing/budgets/test_budget_race.py"


@dataclass(frozen=True)
class Bug:
    """`plant` breaks the rule in this process; `test` is who must notice."""

    plant: Callable[[], None]
    test: str
    database: str = "sqlite"


BUGS: dict[str, Bug] = {}


def noticed_by(
    test: str, *, database: str = "sqlite"
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def enlist(plant: Callable[[], None]) -> Callable[[], None]:
        BUGS[plant.__name__.replace("_", " ")] = Bug(plant, test, database)
        return plant

    return enlist


def pytest_sessionstart() -> None:
    if name := os.environ.get(VARIABLE):
        BUGS[name].plant()


def wrap(owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
    """`wrapper(original, *arguments)` takes the place of `owner.name`."""
    original = getattr(owner, name)

    def planted(*arguments: Any, **named: Any) -> Any:
        return wrapper(original, *arguments, **named)

    setattr(owner, name, planted)


def nothing(*_arguments: Any, **_named: Any) -> None:
    """In the place of what should have been done."""


# --- limits ------------------------------------------------------------------------


@noticed_by(LIMITS)
def no_check() -> None:
    from billing.ledger.budgets import BudgetRow

    BudgetRow.most_micros = property(lambda _: 10**18)  # type: ignore[method-assign,assignment]  # that is the bug


@noticed_by(LIMITS)
def one_microcredit_too_much() -> None:
    from billing.ledger.budgets import BudgetRow

    more = property(lambda row: row.limit_micros + row.raised_micros + 1)
    BudgetRow.most_micros = more  # type: ignore[method-assign,assignment]  # that is the bug


@noticed_by(RACE, database="postgres")
def check_before_lock() -> None:
    from billing.ledger import budget_rows, dialect

    before: list[Any] = []

    def reads(original: Any, orders: Any, now: Any) -> dict[str, Any]:
        before[:] = [dialect.run(*each) for each in original(orders, now).values()]
        return {}

    def take(original: Any, budgets: Any, found: Any) -> None:
        original(budgets, found or [row for rows in before for row in rows])

    wrap(budget_rows, "reads", reads)
    wrap(budget_rows, "take", take)


def forget(level: str) -> None:
    from billing.ledger import budget_rows

    known = budget_rows.READ_BUDGETS
    budget_rows.READ_BUDGETS = known.replace(f"'{level}:'", f"'no {level}:'")


@noticed_by(LIMITS)
def organization_forgotten() -> None:
    forget("organization")


@noticed_by(LIMITS)
def project_forgotten() -> None:
    forget("project")


@noticed_by(LIMITS)
def member_forgotten() -> None:
    forget("member")


@noticed_by(LIMITS)
def member_in_project_forgotten() -> None:
    forget("member_in_project")


@noticed_by(LIMITS)
def key_forgotten() -> None:
    forget("key")


@noticed_by(LIMITS)
def pattern_ignored() -> None:
    from billing.ledger import budgets

    wrap(budgets, "is_match", lambda *_: True)


@noticed_by(LIMITS)
def no_give_back() -> None:
    from billing.ledger.budgets import Budgets

    def end(original: Any, self: Any, hold: Any, run: Any, *rest: int) -> None:
        original(self, hold, hold, *rest)  # as if all of it went back to a run

    wrap(Budgets, "end", end)


@noticed_by(LIMITS)
def double_give_back() -> None:
    from billing.ledger.budgets import Budgets

    def end(original: Any, self: Any, *rest: Any) -> None:
        original(self, *rest)
        original(self, *rest[:-1], 0)

    wrap(Budgets, "end", end)


@noticed_by(LIMITS)
def settlement_is_not_corrected() -> None:
    from billing.ledger.budgets import Budgets

    def end(original: Any, self: Any, hold: Any, run: Any, *rest: int) -> None:
        original(self, hold, run, rest[0], hold.amount_micros if rest[1] else 0)

    wrap(Budgets, "end", end)


@noticed_by(LIMITS)
def excess_is_not_flagged() -> None:
    from billing.ledger.budgets import Budgets

    wrap(Budgets, "is_over", lambda *_: False)


@noticed_by(LIMITS)
def raised_job_is_not_checked() -> None:
    from billing.ledger.budgets import Budgets

    wrap(Budgets, "lacking", nothing)


# --- windows, counting, corrections --------------------------------------------------


@noticed_by(OVER_TIME)
def wrong_window() -> None:
    from billing.ledger import windows

    def start_of(original: Any, window: str, _zone: str, moment: Any) -> Any:
        return original(window, "UTC", moment)

    wrap(windows, "start_of", start_of)


@noticed_by(OVER_TIME)
def counts_where_it_ends() -> None:
    from billing.ledger.budgets import Budgets

    def end(original: Any, self: Any, hold: Any, *rest: Any) -> None:
        from billing.models import BudgetWindow

        latest = dict(BudgetWindow.objects.values_list("budget_id", "starts"))
        hold.budgets = [(budget, latest[budget]) for budget, _ in hold.budgets]
        original(self, hold, *rest)

    wrap(Budgets, "end", end)


@noticed_by(OVER_TIME)
def earlier_window_opens_again() -> None:
    from billing.ledger import windows
    from billing.ledger.budgets import BudgetRow

    def pair_at(_original: Any, row: Any, moment: Any) -> Any:
        return row.id, windows.start_of(row.window, row.time_zone, moment)

    wrap(BudgetRow, "pair_at", pair_at)


@noticed_by(OVER_TIME)
def correction_counts_nowhere() -> None:
    from billing.ledger import budget_count

    wrap(budget_count, "heed_corrections", nothing)


@noticed_by(COUNTING)
def spend_so_far_is_forgotten() -> None:
    from billing.ledger import budget_count

    wrap(budget_count, "spent_before", lambda *_: 0)


@noticed_by(COUNTING)
def held_so_far_is_forgotten() -> None:
    from billing.ledger import budget_count

    def count(original: Any, book: Any, budget: Any, _running: Any) -> None:
        original(book, budget, [])

    wrap(budget_count, "count", count)


@noticed_by(COUNTING)
def raise_without_end() -> None:
    from billing.ledger import budget_rows

    known = budget_rows.READ_BUDGETS
    budget_rows.READ_BUDGETS = known.replace("AND r.ends_at >", "AND '9' >")


# --- runs --------------------------------------------------------------------------


@noticed_by(ENVELOPES)
def run_is_not_reserved() -> None:
    from billing.ledger import envelopes

    def pin(original: Any, book: Any, hold: Any, amount: int, run: Any) -> None:
        if not hold.is_envelope:
            original(book, hold, amount, run)

    wrap(envelopes, "_pin", pin)


@noticed_by(ENVELOPES)
def run_counts_twice() -> None:
    from billing.ledger.budgets import Budgets

    def room_for(original: Any, self: Any, *rest: Any) -> Any:
        return original(self, *rest[:-1], None)

    wrap(Budgets, "room_for", room_for)


@noticed_by(ENVELOPES)
def call_is_paid_beside_its_run() -> None:
    from billing.ledger import envelopes

    wrap(envelopes, "run_of", nothing)


@noticed_by(ENVELOPES)
def run_gets_back_too_much() -> None:
    from billing.ledger import envelopes

    def give_back(original: Any, book: Any, hold: Any, _captured: int) -> Any:
        return original(book, hold, 0)

    wrap(envelopes, "give_back", give_back)


@noticed_by(ENVELOPES)
def rest_of_a_run_is_kept() -> None:
    from billing.ledger import envelopes

    def close(original: Any, book: Any, run: Any, reason: str) -> None:
        run.state, run.reason, run.changed = "released", reason, True

    wrap(envelopes, "close", close)


@noticed_by(ENVELOPES)
def expiry_is_forgotten() -> None:
    from billing.ledger import envelopes

    wrap(envelopes, "close_due", lambda *_: 0)


@noticed_by(IN_EACH_OTHER)
def excess_leaves_the_run_alone() -> None:
    from billing.ledger import envelopes

    wrap(envelopes, "burn", lambda *_: [])


@noticed_by(REFUSED)
def chain_is_not_checked() -> None:
    from billing.ledger import store

    def take(original: Any, book: Any, rows: Any) -> None:
        original(book, [row for row in rows if row[-2]])  # each for itself

    wrap(store, "_take_spenders", take)


@noticed_by(CLOSED)
def run_outlives_its_key() -> None:
    from billing import envelopes

    wrap(envelopes, "_ended", lambda ended, now: ended(now).filter(due_at__lte=now))


@noticed_by(SUCCESSORS)
def rotation_lifts_limits() -> None:
    from billing.models import Spender

    Spender.limited_id = property(lambda spender: None)  # type: ignore[method-assign,assignment]  # that is the bug


# --- lots --------------------------------------------------------------------------


@noticed_by("tests/billing/test_place.py")
def credits_are_not_checked() -> None:
    from billing.ledger.book import Book

    wrap(Book, "available_micros", lambda *_: 10**15)


@noticed_by("tests/billing/test_grant_expiry.py")
def expired_grants_are_held() -> None:
    from billing.ledger import lots

    def pin(original: Any, known: Any, *rest: Any) -> None:
        for lot in known:
            lot.usable = True
        original(known, *rest)

    wrap(lots, "pin", pin)


@noticed_by("tests/billing/test_burn_order.py")
def last_grant_burns_first() -> None:
    from billing.ledger import lots

    def pin(original: Any, known: Any, *rest: Any) -> None:
        original(list(reversed(known)), *rest)

    wrap(lots, "pin", pin)


@noticed_by("tests/billing/test_settle.py")
def lot_is_freed_twice() -> None:
    from billing.ledger import lots

    def unpin(original: Any, known: Any, hold: Any, captured: int) -> Any:
        original(known, hold, 0)
        return original(known, hold, captured)

    wrap(lots, "unpin", unpin)


@noticed_by("tests/billing/test_release.py")
def lot_stays_pinned() -> None:
    from billing.ledger import lots

    def unpin(original: Any, known: Any, hold: Any, captured: int) -> Any:
        return original(known, hold, captured) if captured else []

    wrap(lots, "unpin", unpin)
