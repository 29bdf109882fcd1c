"""Budgets: hard limits on what is spent in a window of time, at five levels.

All that apply to a call must have room for its hold; the ledger checks and takes it
in the hold's own transaction (`ledger/budgets.py`). Who may set one is the portal's to
say.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from billing.ledger import (
    budget_count,
    budget_rows,
    budgets,
    dialect,
    locking,
    store,
    windows,
)
from billing.ledger.book import Book
from billing.ledger.budget_subjects import Subject as Subject
from billing.ledger.budget_subjects import limited as limited
from billing.ledger.budget_subjects import terms_of
from billing.ledger.budgets import BudgetRow, Budgets, Call, Counter
from billing.models import Account, Budget, BudgetRaise, Hold
from billing.models.budget import Window
from billing.models.hold import UNRESOLVED
from billing.pricing import tariffs
from billing.values.orders import AMOUNT_MICROS_MAX

PATTERN_MAX, OPERATION_MAX = 200, 32


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
    _check_amount(limit_micros)
    if window not in Window.values:
        raise ValueError(f"unknown window: {window!r}")
    _check_text("pattern", model_pattern, PATTERN_MAX)
    _check_operation(operation)
    if model_pattern and not all(map(str.strip, model_pattern.split(","))):
        raise ValueError("a pattern is empty")
    if not isinstance(counts_spend_so_far, bool):
        raise ValueError("whether spend so far counts is yes or no")
    with locking.atomic():
        book = _locked(account_id)
        whom = terms_of(account_id, subject)
        terms = whom | {
            "account_id": account_id,
            "window": str(window),
            "model_pattern": model_pattern,
            "operation": operation,
        }
        earlier = Budget.objects.filter(**terms, is_active=True).first()
        now = book.moment_of(account_id)
        if earlier and counts_spend_so_far and _counts_all(earlier, now):
            earlier.limit_micros = limit_micros
            earlier.save(update_fields=["limit_micros"])
            return earlier
        since = None if counts_spend_so_far else now
        return _replace(book, earlier, terms, limit_micros, since)


def lock(account_id: int) -> None:
    """Let nobody else change the account's limits, or spend, until the caller's
    transaction ends: the rows that a call locks, in its order.

    Raises: AccountLocked, Account.DoesNotExist.
    """
    with locking.atomic():
        _locked(account_id)


def _locked(account_id: int) -> Book:
    """Raises: Account.DoesNotExist."""
    book = Book()
    store.lock_accounts(book, {account_id})
    if account_id not in book.accounts:
        raise Account.DoesNotExist(account_id)
    return book


def _counts_all(budget: Budget, now: datetime) -> bool:
    """Whether all of its present window counts, or even more."""
    if budget.since is None:
        return True
    starts = windows.start_of(budget.window, budget.account.time_zone, now)
    return budget.since.timestamp() < starts


def _replace(
    book: Book,
    earlier: Budget | None,
    terms: dict[str, Any],
    limit_micros: int,
    since: datetime | None,
) -> Budget:
    """Another budget instead of this one; its raises and what its runs have set aside
    go on."""
    now = book.moment_of(terms["account_id"])
    budget = Budget.objects.create(
        **terms, limit_micros=limit_micros, since=since, created_at=now
    )
    if earlier:
        Budget.objects.filter(id=earlier.id).update(is_active=False)
        lasting = BudgetRaise.objects.filter(budget=earlier, ended_at__isnull=True)
        lasting.filter(ends_at__gt=now).update(budget=budget)
    if earlier or since != now:
        running = Hold.objects.filter(
            account_id=budget.account_id, state__in=UNRESOLVED
        )
        ids = [each.hex for each in running.values_list("id", flat=True)]
        store.read_holds(book, ids)
        budget_count.count(book, budget, ids, earlier.id if earlier else None)
        store.save(book)
    return budget


def remove(budget_id: int) -> None:
    """It binds nobody any more, from the next hold on; for good."""
    with locking.atomic():
        _in_force(budget_id)
        Budget.objects.filter(id=budget_id).update(is_active=False)


def raise_limit(budget_id: int, micros: int, *, until: datetime) -> BudgetRaise:
    """So much more until then, whatever window it is by then.

    Raises: ValueError for an amount outside 1 … 10^15 or a time that is past;
    Budget.DoesNotExist when it is not in force.
    """
    _check_amount(micros)
    with locking.atomic():
        budget, book = _in_force(budget_id)
        now = book.moment_of(budget.account_id)
        if until <= now:
            raise ValueError("a raise ends in the future")
        return BudgetRaise.objects.create(
            budget=budget, micros=micros, starts_at=now, ends_at=until
        )


def end_raise(raise_id: int) -> None:
    """Take it back now. Raises: BudgetRaise.DoesNotExist when it has ended."""
    with locking.atomic():
        found = BudgetRaise.objects.select_related("budget").get(
            id=raise_id, ended_at__isnull=True
        )
        book = _locked(found.budget.account_id)
        now = book.moment_of(found.budget.account_id)
        BudgetRaise.objects.filter(id=raise_id).update(ended_at=now)


def _in_force(budget_id: int) -> tuple[Budget, Book]:
    """A budget, its account locked. Raises: Budget.DoesNotExist."""
    account_id = Budget.objects.get(id=budget_id).account_id
    book = _locked(account_id)
    return Budget.objects.get(id=budget_id, is_active=True), book


@cache
def time_zones() -> frozenset[str]:
    """The names that this machine knows."""
    return frozenset(zoneinfo.available_timezones())


def set_time_zone(account_id: int, name: str) -> None:
    """Where the account's days begin from now on. The present windows of its budgets
    begin where they did or where they do there, whichever is earlier: to move makes no
    room. Raises: ValueError for no time zone."""
    if name not in time_zones():
        raise ValueError(f"unknown time zone: {name!r}")
    with locking.atomic():
        now = _locked(account_id).moment_of(account_id)
        before = Account.objects.get(id=account_id).time_zone
        Account.objects.filter(id=account_id).update(time_zone=name)
        known = Budget.objects.filter(account_id=account_id, is_active=True)
        for budget in known.exclude(window=Window.TOTAL).order_by("id"):
            names = ("account_id", "level", "subject", "window", "model_pattern")
            more = ("project_id", "holder_id", "spender_id", "operation")
            terms = {each: getattr(budget, each) for each in (*names, *more)}
            # A Book for each: the next one counts in holds that this one has changed.
            book = _locked(account_id)
            since = _since_elsewhere(budget, before, name, now)
            _replace(book, budget, terms, budget.limit_micros, since)


def _since_elsewhere(
    budget: Budget, before: str, after: str, now: datetime
) -> datetime | None:
    """From when its present window counts in another time zone: whatever counts now
    still does. None: from when that window begins there."""
    old, made, new = (
        datetime.fromtimestamp(windows.start_of(budget.window, zone, moment), UTC)
        for zone, moment in (
            *((before, now), (before, budget.created_at)),
            (after, now),
        )
    )
    since = budget.since
    if since is None:
        since = min(old, new)
    elif made != old:  # its first window is over
        since = max(since, min(old, new))
    elif since < old:  # it was moved before, in this window
        since = min(since, new)
    return None if since == new else since


# --- what it may say ---------------------------------------------------------------


def _check_amount(micros: int) -> None:
    if type(micros) is not int or not 1 <= micros <= AMOUNT_MICROS_MAX:
        raise ValueError(f"amount out of range: {micros}")


def _check_text(name: str, text: str, most: int) -> None:
    if type(text) is not str or len(text) > most or not text.isprintable():
        raise ValueError(f"the {name} is too long or not printable")


def _check_operation(operation: str) -> None:
    """A limit for what nobody can call would bind nothing."""
    _check_text("operation", operation, OPERATION_MAX)
    if operation and operation not in (known := tariffs.operations()):
        names = ", ".join(sorted(known))
        raise ValueError(f"{operation!r} is no operation, there are {names}")


# --- where they stand --------------------------------------------------------------


def chain_of(spender_id: int, model: str = "", operation: str = "") -> list[Link]:
    """Every limit that applies to such a call, the one that binds first: the least
    left. Without a model or an operation, also those for some only."""
    found = Budgets()
    budget_rows.read(found, [spender_id])
    call = Call(spender_id, operation, model)
    return _links(
        found,
        (row for row in found.rows.values() if _concerns(row, call)),
    )


def chains_of(spender_ids: Collection[int]) -> dict[int, list[Link]]:
    """The same of many spenders at once, in one query: of every call that each may
    make."""
    found = Budgets()
    if spender_ids:
        budget_rows.read(found, spender_ids)
    links = _links(found, found.rows.values())
    return {
        spender_id: [
            link
            for link in links
            if link.budget_id in found.of_spender.get(spender_id, ())
        ]
        for spender_id in spender_ids
    }


def _concerns(row: BudgetRow, call: Call) -> bool:
    is_model = not (call.model and row.model_pattern) or budgets.is_match(
        row.model_pattern, call.model
    )
    both = call.operation and row.operation
    return is_model and (not both or row.operation == call.operation)


def of_account(account_id: int) -> list[Link]:
    """Every limit in force."""
    found, now = Budgets(), dialect.now_parameter()
    accounts = dialect.json([account_id])
    question = (budget_rows.READ_OF_ACCOUNT, now, now, accounts)
    budget_rows.take(found, dialect.run(*question))
    return _links(found, found.rows.values())


def _links(found: Budgets, rows: Iterable[BudgetRow]) -> list[Link]:
    now = dialect.now().astimezone(UTC)
    links = []
    for row in rows:
        pair = row.pair_at(now)
        counter = found.counters.get(pair, Counter())
        used, held = counter.spent_micros, counter.held_micros
        links.append(
            Link(
                budget_id=row.id,
                level=row.level,
                label=row.label,
                window=row.window,
                model_pattern=row.model_pattern,
                operation=row.operation,
                limit_micros=row.most_micros,
                raised_micros=row.raised_micros,
                used_micros=used,
                held_micros=held,
                left_micros=max(0, row.most_micros - used - held),
                resets_at=windows.end_of(row.window, row.time_zone, pair[1]),
            )
        )
    return sorted(links, key=lambda link: (link.left_micros, link.budget_id))
