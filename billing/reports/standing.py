"""How an account stands beside its balance: what is in doubt, what failed, what expires
next, and which limits are nearly used up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import Count, F, Q, Sum

from billing.ledger import dialect, windows
from billing.models import BudgetRaise, BudgetWindow, Grant, Hold
from billing.models.budget import Window
from billing.models.hold import HoldState
from billing.reports.credits import Lapse
from billing.reports.usage import Chosen, Dimension

REASONS_MAX, NEAR_MAX, EXPIRIES_MAX = 5, 10, 50


@dataclass(frozen=True, slots=True)
class Doubts:
    """Calls that nobody knows the end of; what they hold is part of what is held."""

    calls: int
    held_micros: int


# PLAN: the few that have not ended by their partial index, which the first condition
# names (with the sign, no index that begins with the account is taken).
_DOUBTS = """
SELECT holder_id, count(*), sum(amount_micros) FROM billing_hold
WHERE state IN ('open', 'in_doubt') AND state = 'in_doubt' AND +account_id = %s
  AND NOT is_envelope
GROUP BY holder_id
"""


def doubts_of(chosen: Chosen) -> Doubts:
    with connection.cursor() as cursor:
        cursor.execute(_DOUBTS, [chosen.account_id])
        rows = cursor.fetchall()
    if (holders := _holders(chosen)) is not None:
        rows = [row for row in rows if row[0] in holders]
    return Doubts(sum(row[1] for row in rows), int(sum(row[2] for row in rows)))


def failures_of(chosen: Chosen, since: datetime) -> list[tuple[str, int]]:
    """Reasons of calls that ended uncharged since then, and how many; most first."""
    found = Hold.objects.filter(
        account_id=chosen.account_id,
        state=HoldState.RELEASED,
        is_envelope=False,
        placed_at__gte=since,
    )
    if (holders := _holders(chosen)) is not None:
        found = found.filter(holder_id__in=holders)
    counted = found.values_list("reason").annotate(calls=Count("id"))
    return list(counted.order_by("-calls", "reason")[:REASONS_MAX])


def _holders(chosen: Chosen) -> set[int] | None:
    """Whose calls are asked for; None: everybody's."""
    if Dimension.HOLDER not in chosen.of:
        return None
    return {int(subject) for subject in chosen.of[Dimension.HOLDER]}


def expiries_of(account_id: int, *, within: timedelta) -> list[Lapse]:
    """What has not expired yet and will in that time, the next first."""
    now = dialect.now()
    grants = Grant.objects.filter(
        account_id=account_id,
        remaining_micros__gt=0,
        expires_at__gt=now,
        expires_at__lte=now + within,
    )
    rows = grants.order_by("expires_at", "id")[:EXPIRIES_MAX]
    return [
        Lapse(grant.expires_at, grant.source, grant.remaining_micros)
        for grant in rows
        if grant.expires_at is not None
    ]


@dataclass(frozen=True, slots=True)
class Near:
    """A limit of which little or nothing is left in its present window."""

    budget_id: int
    level: str
    label: str  # of whom it limits; "" for the organization
    window: str
    limit_micros: int  # with its raises
    used_micros: int  # and held
    resets_at: datetime | None

    @property
    def is_exhausted(self) -> bool:
        return self.used_micros >= self.limit_micros

    @property
    def percent(self) -> int:
        return self.used_micros * 100 // self.limit_micros


def near_limits(
    account_id: int, zone: str, *, percent: int = 80, holder_id: int | None = None
) -> list[Near]:
    """Limits in force that are used up to so many percent, the fullest first; only
    those of a holder and of their keys, where one is named."""
    now = dialect.now()
    starts = {kind: windows.start_of(kind, zone, now) for kind in Window.values}
    present = Q()
    for kind, begun in starts.items():
        # Later where a window goes on that began in another time zone.
        present |= Q(budget__window=kind, starts__gte=begun)
    rows = BudgetWindow.objects.filter(
        present, budget__account_id=account_id, budget__is_active=True
    ).annotate(used=F("spent_micros") + F("held_micros"))
    rows = rows.filter(used__gte=F("budget__limit_micros") * percent / 100)
    if holder_id is not None:
        own = Q(budget__holder_id=holder_id) | Q(budget__spender__holder_id=holder_id)
        rows = rows.filter(own)
    of = ("budget__project", "budget__holder", "budget__spender")
    found = list(rows.select_related(*of)[: 10 * NEAR_MAX])
    raised = _raised([row.budget_id for row in found], now)
    near = [_near(row, raised.get(row.budget_id, 0), zone) for row in found]
    near = [each for each in near if each.percent >= percent]
    return sorted(near, key=lambda each: -each.percent)[:NEAR_MAX]


def window_began(window: str, zone: str, now: datetime) -> datetime:
    """When the present window of a limit began."""
    seconds = windows.start_of(window, zone, now)
    return datetime.fromtimestamp(seconds, UTC)


def _raised(budget_ids: list[int], now: datetime) -> dict[int, int]:
    lasting = BudgetRaise.objects.filter(
        budget_id__in=budget_ids, starts_at__lte=now, ends_at__gt=now, ended_at=None
    )
    return dict(lasting.values_list("budget_id").annotate(Sum("micros")))


def _near(row: BudgetWindow, raised: int, zone: str) -> Near:
    budget = row.budget
    named = [each for each in (budget.spender, budget.holder, budget.project) if each]
    return Near(
        budget.id,
        budget.level,
        named[0].label if named else "",
        budget.window,
        budget.limit_micros + raised,
        row.spent_micros + row.held_micros,
        windows.end_of(budget.window, zone, row.starts),
    )
