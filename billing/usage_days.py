"""Making sums of days from those of quarters of an hour: the worker's work, never a
call's.

A quarter is added once no call can be booked in it any more: everything is stamped
under the account's lock and never before the account's last entry (`last_entry_at`), so
what began before that is complete for whoever reads now. Days are of the account's time
zone. When that changes they are deleted and made again, and until they are the reports
read the quarters.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from billing.ledger import dialect
from billing.models import Account, UsageDay, UsageDays, UsageRollup
from billing.models.account import AccountKind
from billing.models.usage_day import DIVIDED_BY, OF_LINES, Cut
from billing.reports import usage_sql
from billing.reports.keys import first_keys
from billing.reports.periods import DAY, Bucket, day_of, day_start, floor

# Rows deleted in one transaction, when a time zone changed.
DELETED_AT_ONCE = 5000
# Of quarters added in one: on SQLite nobody else writes meanwhile.
LONGEST_STEP = timedelta(hours=6)
_FIGURES = ("requests", "prompt_tokens", "completion_tokens", "charged_micros")


def add_due(*, seconds: float = 20) -> int:
    """Bring the days of all accounts up to date, for so long at most; the rest comes
    next time. How many transactions that took. May run twice at once."""
    until, steps = time.monotonic() + seconds, 0
    for account_id in _behind():
        while time.monotonic() < until and add_next(account_id):
            steps += 1
    return steps


def _behind() -> list[int]:
    """Accounts that were used since their days were made, or are of another zone."""
    accounts = Account.objects.filter(
        kind=AccountKind.ORGANIZATION, last_entry_at__isnull=False
    )
    made = {row.account_id: row for row in UsageDays.objects.all()}
    found = []
    for id_, zone, last in accounts.values_list("id", "time_zone", "last_entry_at"):
        assert last is not None
        row = made.get(id_)
        complete = floor(last, Bucket.QUARTER, "UTC")
        if row is None or row.zone != zone or row.until is None or row.until < complete:
            found.append(id_)
    return found


def add_next(account_id: int) -> bool:
    """One step, in one transaction: some rows of a former zone deleted, or the next
    day's quarters added. False: there is nothing to do."""
    with transaction.atomic():
        account = Account.objects.get(id=account_id)
        UsageDays.objects.get_or_create(
            account_id=account_id, defaults={"zone": account.time_zone}
        )
        made = UsageDays.objects.select_for_update().get(account_id=account_id)
        # Read with the lock: what another worker did meanwhile is known.
        account = Account.objects.get(id=account_id)
        if made.zone != account.time_zone:
            made.zone, made.until = account.time_zone, None
            made.save()
            return True
        if made.until is None:
            if _delete_some(account_id):
                return True
            made.until = _first_day(account)
        return _add_a_day(account, made)


def _delete_some(account_id: int) -> int:
    rows = UsageDay.objects.filter(account_id=account_id)
    ids = list(rows.values_list("id", flat=True)[:DELETED_AT_ONCE])
    return UsageDay.objects.filter(id__in=ids).delete()[0]


def _first_day(account: Account) -> datetime | None:
    rows = UsageRollup.objects.filter(account_id=account.id).order_by("starts_at")
    first = rows.values_list("starts_at", flat=True).first()
    if first is None:
        return None
    return day_start(account.time_zone, day_of(account.time_zone, first))


def _add_a_day(account: Account, made: UsageDays) -> bool:
    """Quarters up to the next midnight there, or to the last that is complete."""
    if made.until is None or account.last_entry_at is None:
        return False
    complete = floor(account.last_entry_at, Bucket.QUARTER, "UTC")
    day = day_of(made.zone, made.until)
    midnight = day_start(made.zone, day + DAY)
    until = min(complete, midnight, made.until + LONGEST_STEP)
    if until <= made.until:
        made.save()
        return False
    window = (dialect.moment(made.until), dialect.moment(until))
    firsts = _firsts(account.id, made.until, until)
    for cut, by in DIVIDED_BY.items():
        source = _LINES if cut in OF_LINES else _QUARTERS
        text = _adding(cut, by, source)
        times = [account.id, *window] * (2 if cut in OF_LINES else 1)
        with connection.cursor() as cursor:
            values: list[Any] = [account.id, day.isoformat(), *times, firsts]
            cursor.execute(text, values)
    made.until = until
    made.save()
    return True


def _firsts(account_id: int, start: datetime, end: datetime) -> str:
    """Pairs of a key and the first of those that it is one with, where it is not
    itself; JSON."""
    rows = UsageRollup.objects.filter(
        account_id=account_id, starts_at__gte=start, starts_at__lt=end
    )
    spenders = rows.values_list("spender_id", flat=True).distinct()
    pairs = first_keys(spenders).items()
    return dialect.json([pair for pair in pairs if pair[0] != pair[1]])


# --- the statement -------------------------------------------------------------------

_MOMENT = "%s::timestamptz" if dialect.IS_POSTGRES else "%s"


def _between(column: str) -> str:
    return f"account_id = %s AND {column} >= {_MOMENT} AND {column} < {_MOMENT}"


_QUARTERS = f"SELECT * FROM billing_usagerollup WHERE {_between('starts_at')}"  # noqa: S608
_LINES = (
    f"SELECT * FROM ({usage_sql.RECORDS}) u WHERE {_between('settled_at')} UNION ALL "  # noqa: S608
    f"SELECT * FROM ({usage_sql.CORRECTIONS}) w WHERE {_between('ended_at')}"
)
_PAIRS = (
    "(SELECT (value->>0)::bigint AS id, (value->>1)::bigint AS first "
    "FROM jsonb_array_elements(%s::jsonb))"
    if dialect.IS_POSTGRES
    else "(SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS "
    "first FROM json_each(%s))"
)
_VALUES = {
    "key_id": "coalesce(f.first, r.spender_id)",
    "project_id": "coalesce(r.project_id, 0)",
    "holder_id": "coalesce(r.holder_id, 0)",
}


def _adding(cut: Cut, by: tuple[str, ...], source: str) -> str:
    columns = DIVIDED_BY[Cut.SESSION]
    values = [
        _VALUES.get(name, f"r.{name}")
        if name in by
        else ("0" if name.endswith("_id") else "''")
        for name in columns
    ]
    groups = [_VALUES.get(name, f"r.{name}") for name in by]
    grouped = f"GROUP BY {', '.join(groups)}" if groups else "HAVING count(*) > 0"
    day = "%s::date" if dialect.IS_POSTGRES else "%s"
    sums = ", ".join(f"sum(r.{name})" for name in _FIGURES)
    added = ", ".join(
        f"{name} = billing_usageday.{name} + excluded.{name}" for name in _FIGURES
    )
    return (
        f"INSERT INTO billing_usageday (account_id, cut, day, {', '.join(columns)}, "  # noqa: S608
        f"{', '.join(_FIGURES)}) "
        f"SELECT %s, '{cut.value}', {day}, {', '.join(values)}, {sums} "
        f"FROM ({source}) r LEFT JOIN {_PAIRS} f ON f.id = r.spender_id "
        f"WHERE true {grouped} "
        f"ON CONFLICT (account_id, cut, day, {', '.join(columns)}) "
        f"DO UPDATE SET {added}"
    )
