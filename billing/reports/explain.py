"""Explain a balance: what it was at two instants, and everything between them.

opening + Σ of the lines = closing, to the microcredit. Opening and closing are read
from the account's entries (`entries.py` says when an entry happens), calls from the
sums of 15 minutes with the calls themselves at both edges, all the rest from its
transfers. So the two sides come from different tables, and `gap_micros` is a proof.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain
from typing import Any

from django.db import connection
from django.db.models import QuerySet, Sum

from billing.models import (
    Correction,
    Spender,
    Unit,
    UsageRecord,
    UsageRollup,
)
from billing.models.correction import CorrectionKind, CorrectionState
from billing.models.grant import GrantSource
from billing.models.transfer import TransferKind
from billing.reports.entries import Position, position_at
from billing.reports.holding import Held, held_at

QUARTER = timedelta(minutes=15)

# What moved the account beside its calls' first prices. The condition is word by word
# that of its index, `transfer_beside_calls`.
BESIDE_CALLS = """
SELECT t.kind, g.source, c.kind,
       CASE WHEN t.destination_id = %s THEN 1 ELSE -1 END AS sign,
       SUM(t.amount_micros), COUNT(*)
FROM billing_transfer t
LEFT JOIN billing_grant g ON g.transfer_id = t.id
LEFT JOIN billing_correction c ON c.id = t.correction_id
WHERE COALESCE(t.source_tenant_id, t.destination_tenant_id) = %s
  AND t.created_at >= %s AND t.created_at < %s
  AND (NOT (t.kind IN ('usage', 'absorb')) OR t.correction_id IS NOT NULL)
  AND (t.source_id = %s OR t.destination_id = %s)
GROUP BY 1, 2, 3, 4
"""


class Why(StrEnum):
    """What a line of the explanation stands for, in the order in which it is shown."""

    PURCHASE = "purchase"  # bought credits
    PROMOTION = "promotion"
    TRIAL = "trial"
    ADJUSTMENT = "adjustment"  # a grant by the operator's word
    CREDIT = "credit"  # an amendment that gives
    USAGE = "usage"  # calls, by their first prices
    CORRECTION = "correction"  # another price of a call that had ended
    REFUND = "refund"  # what a call had cost, given back
    EXPIRE = "expire"  # grants that lapsed
    DEBIT = "debit"
    REVERSAL = "reversal"  # of a grant: what was left of it
    CLAWBACK = "clawback"
    REPAYMENT = "repayment"  # of debt


class Dimension(StrEnum):
    """By what calls are divided."""

    MODEL = "model"
    KEY = "key"
    PROJECT = "project"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Line:
    """One reason why the balance changed; `count` is of calls or transfers."""

    why: Why
    amount_micros: int  # signed: what the account gained
    count: int


@dataclass(frozen=True, slots=True)
class Share:
    """What the calls of one model, key … were charged: first, and corrected since."""

    subject: int | str | None  # an id of the ledger's, or a model
    label: str
    requests: int
    first_micros: int
    corrected_micros: int

    @property
    def charged_micros(self) -> int:
        """What it comes to: as the pages of usage have it."""
        return self.first_micros + self.corrected_micros


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an account had at `since` and at `until`, and why it is not the same."""

    account_id: int
    since: datetime
    until: datetime
    opening: Position
    closing: Position
    lines: tuple[Line, ...]
    shares: dict[Dimension, tuple[Share, ...]]
    held_since: Held
    held_until: Held

    @property
    def entries(self) -> int:
        return self.closing.version - self.opening.version

    @property
    def gap_micros(self) -> int:
        """What is not explained: nothing, or the ledger was tampered with."""
        explained = sum(line.amount_micros for line in self.lines)
        return self.opening.balance_micros + explained - self.closing.balance_micros

    @property
    def charged_micros(self) -> int:
        """What calls were charged, with all corrections: positive."""
        of_calls = (Why.USAGE, Why.CORRECTION, Why.REFUND)
        return -sum(line.amount_micros for line in self.lines if line.why in of_calls)


def explain(account_id: int, since: datetime, until: datetime) -> Explanation:
    """From `since` until just before `until`.

    Raises: ValueError when that is not before this; LookupError for no account, or
    entries that are missing.
    """
    if since >= until:
        raise ValueError("the first instant is not before the second")
    groups = _calls(account_id, since, until)
    first = sum(group.first_micros for group in groups)
    lines = _beside_calls(account_id, since, until)
    if groups:
        requests = sum(group.requests for group in groups)
        lines.append(Line(Why.USAGE, -first, requests))
    order = list(Why)
    lines.sort(key=lambda line: order.index(line.why))
    return Explanation(
        account_id,
        since,
        until,
        position_at(account_id, since),
        position_at(account_id, until),
        tuple(lines),
        _shares(groups),
        held_at(account_id, since),
        held_at(account_id, until),
    )


# --- beside calls -------------------------------------------------------------------


def _beside_calls(account_id: int, since: datetime, until: datetime) -> list[Line]:
    between = [*map(connection.ops.adapt_datetimefield_value, (since, until))]
    ends = (account_id, account_id)
    with connection.cursor() as cursor:
        cursor.execute(BESIDE_CALLS, (*ends, *between, *ends))
        rows = cursor.fetchall()
    sums: dict[Why, list[int]] = defaultdict(lambda: [0, 0])
    for kind, source, said, sign, amount, count in rows:
        found = sums[why_of(kind, source, said)]
        found[0] += sign * int(amount)
        found[1] += count
    return [Line(why, *found) for why, found in sums.items()]


def why_of(kind: str, source: str | None, said: str | None) -> Why:
    """Of a transfer: the source of the grant it made, and the kind of the second word
    that it carries out, where there are any."""
    if kind == TransferKind.GRANT:
        # A refund is a transfer of its own kind; nobody issues a grant of that source.
        return Why.CREDIT if source == GrantSource.REFUND else Why(source or "credit")
    if said is not None:
        return Why.REFUND if said == CorrectionKind.REFUND else Why.CORRECTION
    return Why(kind)


# --- calls --------------------------------------------------------------------------


@dataclass(slots=True)
class _Group:
    """Calls of one key with one model."""

    spender_id: int
    model: str
    project_id: int | None
    holder_id: int | None
    requests: int = 0
    charged_micros: int = 0
    corrected_micros: int = 0

    @property
    def first_micros(self) -> int:
        return self.charged_micros - self.corrected_micros


_GROUP = ("spender_id", "model", "project_id", "holder_id")


def _calls(account_id: int, since: datetime, until: datetime) -> list[_Group]:
    """Whole quarters of an hour by their sums, the rest call by call."""
    start, end = _quarter_after(since), _quarter_before(until)
    whole = UsageRollup.objects.none()
    edges = [(since, until)]
    if start < end:
        whole = UsageRollup.objects.filter(
            account_id=account_id, starts_at__gte=start, starts_at__lt=end
        )
        edges = [(since, start), (end, until)]
    groups: dict[tuple[Any, ...], _Group] = {}
    for *key, requests, charged in chain(
        _summed(whole, Sum("requests")),
        *(_at_an_edge(account_id, *edge) for edge in edges if edge[0] < edge[1]),
    ):
        group = groups.setdefault(tuple(key), _Group(*key))
        group.requests += requests
        group.charged_micros += charged
    for *key, _, charged in _corrected(account_id, since, until):
        groups.setdefault(tuple(key), _Group(*key)).corrected_micros += charged
    return list(groups.values())


def _at_an_edge(
    account_id: int, since: datetime, until: datetime
) -> Iterable[tuple[Any, ...]]:
    records = UsageRecord.objects.filter(
        account_id=account_id, settled_at__gte=since, settled_at__lt=until
    )
    for *key, charged in records.values_list(*_GROUP, "charged_micros"):
        yield *key, 1, charged
    yield from _corrected(account_id, since, until)


def _corrected(
    account_id: int, since: datetime, until: datetime
) -> Iterable[tuple[Any, ...]]:
    posted = Correction.objects.filter(
        account_id=account_id,
        state=CorrectionState.POSTED,
        ended_at__gte=since,
        ended_at__lt=until,
    )
    return _summed(posted, Sum("requests"))


def _summed(rows: QuerySet[Any], requests: Sum) -> Iterable[tuple[Any, ...]]:
    return (
        rows.values_list(*_GROUP)
        .annotate(counted=requests, charged=Sum("charged_micros"))
        .order_by()
    )


def _quarter_before(moment: datetime) -> datetime:
    moment = moment.astimezone(UTC)
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


def _quarter_after(moment: datetime) -> datetime:
    """The quarter that begins then, or the next one."""
    before = _quarter_before(moment)
    return before if before == moment else before + QUARTER


# --- by what they are divided ---------------------------------------------------------


def _shares(groups: list[_Group]) -> dict[Dimension, tuple[Share, ...]]:
    spenders = Spender.objects.filter(id__in={group.spender_id for group in groups})
    keys = dict(spenders.values_list("id", "label"))
    ids = {unit for g in groups for unit in (g.project_id, g.holder_id) if unit}
    units = dict(Unit.objects.filter(id__in=ids).values_list("id", "label"))
    columns = {
        Dimension.MODEL: ("model", None),
        Dimension.KEY: ("spender_id", keys),
        Dimension.PROJECT: ("project_id", units),
        Dimension.MEMBER: ("holder_id", units),
    }
    return {of: _by(groups, *how) for of, how in columns.items()}


def _by(
    groups: list[_Group], column: str, labels: dict[int, str] | None
) -> tuple[Share, ...]:
    """The most charged first."""
    sums: dict[Any, list[int]] = defaultdict(lambda: [0, 0, 0])
    for group in groups:
        found = sums[getattr(group, column)]
        found[0] += group.requests
        found[1] += group.first_micros
        found[2] += group.corrected_micros
    shares = [
        Share(of, str(of or "") if labels is None else labels.get(of, ""), *figures)
        for of, figures in sums.items()
    ]
    return tuple(sorted(shares, key=lambda each: (-each.charged_micros, each.label)))
