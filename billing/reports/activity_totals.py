"""What the calls of a list come to: exact, or what the newest of them do.

A short list is added up call by call. Of a long one that usage can tell, it is told by
its sums of what was charged in that time (`usage.py`), less what was charged then for
calls made before, and with what calls made then were charged since. Of any other long
list nothing is told: to add up a million calls takes longer than anybody waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from billing.reports import usage
from billing.reports.activity import Plan, Wanted, plan_of
from billing.reports.activity_sql import (
    MOMENT,
    USAGE,
    Conditions,
    moment_of,
    part_of,
    with_calls,
)
from billing.reports.periods import Range
from billing.reports.usage import Figures

COUNTED = 10_000  # calls that are added up one by one, at most
COUNTED_FIRST = 1_000  # the same, where usage can tell it, too
# Beyond the longest that the ledger lets a call stay without an end.
SLACK = timedelta(hours=1)
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
END = datetime(9000, 1, 1, tzinfo=UTC)
_SUMS = (
    "coalesce(sum({0}.requests), 0), coalesce(sum({0}.prompt_tokens), 0), "
    "coalesce(sum({0}.completion_tokens), 0), coalesce(sum({0}.charged_micros), 0)"
)
_OF_RECORDS = (
    "count(u.hold_id), coalesce(sum(u.prompt_tokens), 0), "
    "coalesce(sum(u.completion_tokens), 0), coalesce(sum(u.charged_micros), 0)"
)


@dataclass(frozen=True, slots=True)
class Totals:
    """What all calls of a list come to by now. `calls` is None where they were too many
    to be counted, and usage told the figures. Where it cannot, `is_all` is false: these
    are the newest calls of the list, and there are more, or were looked for no
    further."""

    calls: int | None
    figures: Figures
    is_all: bool = True


def totals(wanted: Wanted) -> Totals:
    """Of calls *made* in that time, whenever they are charged."""
    plan = plan_of(wanted)
    if plan is None:
        return Totals(0, usage.NOTHING)
    counted = _counted(plan, COUNTED_FIRST if wanted.is_of_usage else COUNTED)
    if counted.is_all or not wanted.is_of_usage:
        return counted
    span = Range(wanted.since or BEGINNING, wanted.until or END)
    return Totals(None, usage.total(wanted.chosen, span) + _across(plan, wanted, span))


def charged_in(wanted: Wanted) -> Figures | None:
    """What was *charged* in that time, whenever the calls were made, as pages of usage
    have it; None where usage cannot tell these calls from others."""
    if not wanted.is_of_usage:
        return None
    span = Range(wanted.since or BEGINNING, wanted.until or END)
    return usage.total(wanted.chosen, span)


# --- call by call --------------------------------------------------------------------


def _counted(plan: Plan, most: int) -> Totals:
    """Not all for more than `most` calls, those included that are looked at in vain."""
    each = most // len(plan.parts)
    parts, values = [], []
    for number, part in enumerate(plan.parts):
        text, of = part_of(number, part, "placed_at DESC, id DESC", each + 1)
        parts.append(text)
        values += of
    where = f"WHERE {plan.look.text}" if plan.look else ""
    look = plan.look.values
    sql = (
        f"{with_calls(parts)}, "  # noqa: S608
        "largest AS (SELECT count(*) AS size FROM h GROUP BY part) "
        f"SELECT (SELECT max(size) FROM largest), count(*), {_OF_RECORDS} "
        f"FROM h {USAGE} {where} UNION ALL "
        f"SELECT 0, 0, {_SUMS.format('c')} FROM h JOIN billing_correction c "
        f"ON c.hold_id = h.id AND c.state = 'posted' {USAGE if plan.of_usage else ''} "
        f"{where}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, *look, *look])
        rows = cursor.fetchall()
    is_all = all((row[0] or 0) <= each for row in rows)
    figures = [Figures(*map(int, row[2:])) for row in rows]
    return Totals(sum(row[1] for row in rows), sum(figures, usage.NOTHING), is_all)


# --- calls that were made on one side of an edge, and charged on the other -----------


def _across(plan: Plan, wanted: Wanted, span: Range) -> Figures:
    """What to add to what was charged in `span`: less than nothing, maybe."""
    added = usage.NOTHING
    if wanted.until is not None:
        made, charged = span, Range(span.end, END)
        added = _charged_across(plan, wanted, made, charged)
    if wanted.since is not None:
        made, charged = Range(BEGINNING, span.start), span
        less = _charged_across(plan, wanted, made, charged)
        added = added + Figures(
            -less.requests,
            -less.prompt_tokens,
            -less.completion_tokens,
            -less.charged_micros,
        )
    return added


def _charged_across(plan: Plan, wanted: Wanted, made: Range, charged: Range) -> Figures:
    """Of calls made in `made`, what was charged for them in `charged`, which begins
    when that ends or later. No first price comes later than the ledger gives up a
    call; corrections come any time, and there are few."""
    longest = timedelta(seconds=settings.JOB_SECONDS_MAX + settings.IN_DOUBT_SECONDS)
    first = max(made.start, made.end - longest - SLACK)
    calls = _made(wanted, Range(first, made.end))
    calls.add(f"h.changed_at >= {MOMENT}", moment_of(charged.start))
    records = _charged("u.settled_at", charged)
    corrected, posted = _made(wanted, made), _charged("c.ended_at", charged)
    posted.add("c.account_id = %s AND c.state = 'posted'", wanted.chosen.account_id)
    look = f" AND {plan.whole.text}" if plan.whole else ""
    sql = (
        f"SELECT {_OF_RECORDS} FROM (SELECT h.* FROM billing_hold h "  # noqa: S608
        f"WHERE {calls.text}{look}) h {USAGE} WHERE {records.text} UNION ALL "
        f"SELECT {_SUMS.format('c')} FROM billing_correction c "
        f"JOIN billing_hold h ON h.id = c.hold_id "
        f"WHERE {posted.text} AND {corrected.text}{look}"
    )
    values = [
        *(*calls.values, *plan.whole.values, *records.values),
        *(*posted.values, *corrected.values, *plan.whole.values),
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows = cursor.fetchall()
    return sum((Figures(*map(int, row)) for row in rows), usage.NOTHING)


def _made(wanted: Wanted, span: Range) -> Conditions:
    found = Conditions()
    found.add("h.account_id = %s", wanted.chosen.account_id)
    found.add(f"h.placed_at >= {MOMENT}", moment_of(span.start))
    found.add(f"h.placed_at < {MOMENT}", moment_of(span.end))
    return found


def _charged(column: str, span: Range) -> Conditions:
    found, ends = Conditions(), (span.start, span.end)
    moments: list[Any] = [moment_of(end) for end in ends]
    found.add(f"{column} >= {MOMENT} AND {column} < {MOMENT}", *moments)
    return found
