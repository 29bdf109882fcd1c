"""Closing months: their statements are written once, numbered, and never change.

A month is closed once it is over in the account's time zone, and only after all months
before it; so numbers follow each other without a gap, and each opening is the closing
before it. Nothing can be booked in it any more: entries are stamped under the account's
lock, by the database's clock, and closing takes that lock once after the month's end.
What is corrected later is booked later, and stands in a later statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from billing import outbox
from billing.ledger import dialect, locking, store
from billing.ledger.book import Book
from billing.models import Account, Entry, Statement
from billing.reports import statement as figures
from billing.reports.months import following, month_of, span_of
from billing.reports.periods import Range
from billing.reports.statement import Month, month_figures
from billing.values.connection import snapshot
from billing.values.digests import chained

MONTHS_MAX = 1200  # a century, for whoever has never closed one
SECONDS = 600  # that reading one month may take


class NotClosable(Exception):
    """The month is not over, or lies before the account's first one."""


Then = Callable[[Statement], None]


def nothing(_of: Statement) -> None:
    pass


def close(
    account_id: int, month: str, *, name: str = "", and_then: Then = nothing
) -> list[Statement]:
    """Close the month, and all before it that are open; its statements, the
    organization's first. Closed before: the same again, nothing is written. `name` is
    what the organization is called on them, by default the account's label; `and_then`
    is called with the organization's of each month, in the transaction that closes it.

    Raises: ValueError for what is no month; NotClosable; Account.DoesNotExist;
    AccountLocked where somebody keeps the account locked; LookupError where entries of
    the account are missing.
    """
    account = Account.objects.get(id=account_id)
    span_of(account.time_zone, month)
    for _ in range(MONTHS_MAX):
        if closed := of_month(account_id, month):
            return closed
        open_ = next_month(account)
        if month < open_:
            raise NotClosable(f"{month} is before its first month")
        span = span_to_close(account, open_)
        if span.end > dialect.now():
            raise NotClosable(f"{open_} is not over")
        _close_one(account, open_, span, name, and_then)
    raise NotClosable(f"more than {MONTHS_MAX} months are open")


def of_month(account_id: int, month: str) -> list[Statement]:
    found = Statement.objects.filter(account_id=account_id, month=month)
    return list(found.order_by("part"))


def last(account_id: int) -> Statement | None:
    """The organization's statement of the latest month that is closed."""
    found = Statement.objects.filter(account_id=account_id, part=0)
    return found.order_by("number").last()


def next_month(account: Account) -> str:
    """The first one that is open."""
    before = last(account.id)
    if before is not None:
        return following(before.month)
    return month_of(account.time_zone, first_instant(account))


def first_instant(account: Account) -> datetime:
    entries = Entry.objects.filter(account_id=account.id, version=1)
    first = entries.values_list("created_at", flat=True).first()
    return min(first, account.created_at) if first else account.created_at


def span_to_close(account: Account, month: str) -> Range:
    """It begins where the month before it ended, also if the time zone was changed
    since."""
    span = span_of(account.time_zone, month)
    before = last(account.id)
    if before is not None and following(before.month) == month:
        return Range(before.ends_at, span.end)
    return span


def _close_one(
    account: Account, month: str, span: Range, name: str, and_then: Then
) -> None:
    """Beside others who close it, too: one of them writes the rows."""
    await_bookings(account.id)
    with snapshot(SECONDS):
        found = month_figures(account, month, span, name=name)
    if found.found.gap_micros:
        raise LookupError(
            f"{month} does not add up by {found.found.gap_micros} micros: "
            "run verify_ledger"
        )
    before = Statement.objects.filter(account_id=account.id)
    newest = before.order_by("number", "part").last()
    number = newest.number + 1 if newest else 1
    rows = list(_rows(account.id, number, newest.digest if newest else "", found))
    try:
        with transaction.atomic():
            Statement.objects.bulk_create(rows)
            _tell(rows[0])
            and_then(rows[0])
    except IntegrityError:
        if not of_month(account.id, month):
            raise


def _tell(of: Statement) -> None:
    told: dict[str, outbox.JSON] = {
        "object": "statement",
        "number": of.label,
        "month": of.month,
        "opening_micros": of.opening_micros,
        "closing_micros": of.closing_micros,
        "digest": of.digest,
    }
    outbox.emit(of.account_id, "statement.closed", told, key=of.month)


def await_bookings(account_id: int) -> None:
    """After this all that was stamped before now is committed."""
    with locking.atomic():
        store.lock_accounts(Book(), {account_id})


def _rows(
    account_id: int, number: int, previous: str, of: Month
) -> Iterator[Statement]:
    now = dialect.now()
    documents: list[tuple[int | None, dict[str, Any]]] = [
        (None, figures.of_organization(of))
    ]
    documents += [
        (project.project_id, figures.of_project(of, project)) for project in of.projects
    ]
    for part, (project_id, document) in enumerate(documents):
        text = figures.text_of(document)
        row = Statement(
            account_id=account_id,
            number=number,
            part=part,
            project_id=project_id,
            month=of.month,
            zone=of.zone,
            starts_at=of.found.since,
            ends_at=of.found.until,
            opening_micros=document["opening_micros"],
            closing_micros=document["closing_micros"],
            figures=text,
            previous=previous,
            digest=chained(previous, text),
            closed_at=now,
        )
        previous = row.digest
        yield row
