"""What the rules of `bounds` need, read from the database, and what they taught,
written to it: in the transaction of the orders, so that no process lags behind.

Every statement is by key or by an index of a few rows. Whoever writes what the
operator bears has the account `absorbed` locked: sums that are read after that are
the last word.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from operator import itemgetter

from django.conf import settings

from billing.ledger import dialect
from billing.ledger.bounds import Bounds, Kind, Limits, Subject, kind_of
from billing.ledger.dialect import NOW, TODAY
from billing.ledger.pipeline import Row, Statement
from billing.ledger.rows import HoldRow
from billing.models import LearnedBound, Pause
from billing.pricing.lessons import Lesson, Lessons, largest, times_text
from billing.values.amounts import credits_text
from billing.values.orders import CREDIT, Entrust, Order, Place, Settle

logger = logging.getLogger(__name__)

# What is known of some kinds, and every pause that stands.
READ = (
    dialect.rows(LearnedBound, Kind._fields)
    + " SELECT l.operation, l.model, l.shape, l.size, l.factor_ppb, l.lessons, "
    "l.is_free, CAST(NULL AS bigint), 0 "
    # CROSS tells SQLite which of the two is looked up.
    "FROM r CROSS JOIN billing_learnedbound l WHERE l.operation = r.operation "
    "AND l.model = r.model AND l.shape = r.shape "
    "UNION ALL SELECT operation, model, '', 0, 0, 0, FALSE, account_id, 1 "
    "FROM billing_pause WHERE released_at IS NULL"
)
READ_BORNE = (
    "SELECT account_id, operation, model, CAST(sum(absorbed_micros) AS bigint) "
    "FROM billing_usagerollup "
    f"WHERE absorbed_micros > 0 AND starts_at >= {TODAY} "
    "GROUP BY account_id, operation, model"
)
READ_ACCEPTED = (
    "SELECT account_id, operation, model, max(accepted_micros) FROM billing_pause "
    f"WHERE released_at >= {TODAY} GROUP BY account_id, operation, model"
)


def _higher(name: str) -> str:
    old, new = f"billing_learnedbound.{name}", f"excluded.{name}"
    return f"{name} = CASE WHEN {new} > {old} THEN {new} ELSE {old} END"


def _sum(name: str) -> str:
    return f"{name} = billing_learnedbound.{name} + excluded.{name}"


LEARNED = (
    *("operation", "model", "shape", "size", "factor_ppb", "is_free"),
    *("lessons", "overruns", "borne_micros"),
)
# Another transaction may have taught more meanwhile: it only rises.
UPSERT_LEARNED = (
    f"{dialect.rows(LearnedBound, LEARNED)} INSERT INTO billing_learnedbound "
    f"({', '.join(LEARNED)}, learned_at) SELECT {', '.join(LEARNED)}, "
    f"{NOW} FROM r WHERE true ON CONFLICT (operation, model, shape, size) "
    f"DO UPDATE SET {_higher('factor_ppb')}, "
    "is_free = (billing_learnedbound.is_free AND excluded.is_free), "
    f"{_sum('lessons')}, {_sum('overruns')}, {_sum('borne_micros')}, "
    "learned_at = excluded.learned_at"
)
PAUSED = (*Subject._fields, "borne_micros")
INSERT_PAUSES = (
    f"{dialect.rows(Pause, PAUSED)} INSERT INTO billing_pause "
    f"({', '.join(PAUSED)}, accepted_micros, paused_at) "
    f"SELECT {', '.join(PAUSED)}, 0, {NOW} FROM r "
    "WHERE true ON CONFLICT DO NOTHING"
)


def reads(orders: Sequence[Order[object]]) -> dict[str, Statement]:
    """What a hold needs to know; nothing for orders that place none."""
    kinds = {kind_of(order) for order in orders if isinstance(order, Place)}
    return {"bounds": _read(kinds)} if kinds else {}


def _read(kinds: Iterable[Kind]) -> Statement:
    return READ, dialect.json([kind._asdict() for kind in sorted(kinds)])


def take(bounds: Bounds, rows: Sequence[Row]) -> None:
    """Take what `reads` found."""
    bounds.paused.clear()
    for *kind, size, factor, count, is_free, account_id, is_pause in rows:
        if is_pause:
            bounds.paused.add(Subject(account_id, *kind[:2]))
        else:
            lessons = bounds.lessons.setdefault(Kind(*kind), Lessons())
            lessons.sizes[size] = Lesson(factor, count, is_free=bool(is_free))


def read_more(
    bounds: Bounds,
    orders: Sequence[Order[object]],
    holds: dict[str, HoldRow],
    *,
    may_overrun: bool,
) -> None:
    """What teaches a lesson needs to know what was known: settlements above their
    holds, after the operator's account was locked, and estimates above them. Plain
    orders read nothing."""
    teaching = [
        order
        for order in orders
        if (isinstance(order, Settle) and may_overrun)
        or (isinstance(order, Entrust) and _may_raise(holds, order))
    ]
    if not teaching:
        return
    kinds = {kind_of(order) for order in orders if isinstance(order, Place)}
    kinds |= {kind_of(holds[o.hold_id]) for o in teaching if o.hold_id in holds}
    statements = [_read(kinds)]
    if may_overrun:
        now = dialect.now_parameter()
        statements += [(READ_BORNE, now), (READ_ACCEPTED, now)]
    found, *sums = dialect.run_all(statements)
    take(bounds, found)
    if sums:
        _take_borne(bounds, *sums)


def _may_raise(holds: dict[str, HoldRow], order: Entrust) -> bool:
    hold = holds.get(order.hold_id)
    return hold is not None and order.bound_micros > hold.bound_micros


def _take_borne(bounds: Bounds, borne: Sequence[Row], accepted: Sequence[Row]) -> None:
    bounds.limits = Limits(
        settings.BORNE_MODEL_CREDITS_MAX * CREDIT,
        settings.BORNE_ORGANIZATION_CREDITS_MAX * CREDIT,
    )
    for account_id, operation, model, micros in borne:
        for subject in (Subject(account_id), Subject(None, operation, model)):
            bounds.borne[subject] = bounds.borne.get(subject, 0) + micros
    for *who, micros in accepted:
        subject = Subject(*who)
        bounds.borne[subject] = bounds.borne.get(subject, 0) - micros


def writes(bounds: Bounds) -> list[Statement]:
    """What these orders taught, in the order in which all transactions write it."""
    if not bounds.changes:  # and so no pauses either
        return []
    now = dialect.now_parameter()
    learned = []
    for (kind, size), change in sorted(bounds.changes.items(), key=itemgetter(0)):
        lesson = bounds.lessons[kind].sizes[size]
        known = {"factor_ppb": lesson.factor_ppb, "is_free": lesson.is_free}
        learned.append({**kind._asdict(), "size": size, **known, **asdict(change)})
    pauses = [
        {**subject._asdict(), "borne_micros": borne}
        for subject, borne in bounds.pauses.items()
    ]
    both = ((UPSERT_LEARNED, learned), (INSERT_PAUSES, pauses))
    return [(text, dialect.json(rows), now) for text, rows in both if rows]


def tell(bounds: Bounds) -> None:
    """Log for the operator what these orders taught."""
    for (kind, size), change in bounds.changes.items():
        if change.lessons:
            logger.warning(
                "%s %s costs more than the tariff's bound: up to %s credits it is held "
                "for at %s times that from now on",
                kind.operation,
                kind.model,
                credits_text(largest(size)),
                times_text(bounds.lessons[kind].sizes[size].factor_ppb),
            )
    for subject, borne in bounds.pauses.items():
        logger.error(
            "%s is paused: %s credits were borne for it today; manage.py bounds "
            "shows it, and releases it",
            f"{subject.operation} {subject.model}".strip()
            or f"account {subject.account_id}",
            credits_text(borne),
        )
