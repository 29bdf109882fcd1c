"""Credits: every grant, what is left of it, and what expires next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_safe

from billing.reports.balance import balance_of
from billing.reports.credits import GrantReport, grants_of
from portal.pages.parts import frame, tables
from portal.pages.parts.tables import Column, Kind, Table
from portal.tenants import tenancy
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

SOURCES = {
    "purchase": "bought",
    "promotion": "promotional",
    "trial": "trial",
    "adjustment": "adjustment",
    "refund": "given back",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A grant, and its place in the order in which grants pay."""

    grant: GrantReport
    turn: int | None  # 1 pays first; None: it pays nothing any more
    now: datetime

    @property
    def source(self) -> str:
        return SOURCES.get(self.grant.source, self.grant.source)

    @property
    def state(self) -> str:
        grant = self.grant
        if grant.expires_at is not None and grant.expires_at <= self.now:
            return "expired"
        return "active" if grant.remaining_micros else "spent"

    @property
    def free_micros(self) -> int:
        """What a new call can draw on."""
        if self.state != "active":
            return 0
        return self.grant.remaining_micros - self.grant.held_micros


TABLE = Table(
    name="credits",
    caption="Grants in the order in which they pay; then those that pay no more",
    columns=(
        Column("grant", "Grant", "grant.id", template="credits/grant.html"),
        Column("turn", "Pays as no.", "turn", Kind.COUNT, order="x"),
        Column("source", "Source", "source", order="x"),
        Column("state", "State", "state", Kind.STATE, order="x"),
        Column("priority", "Priority", "grant.priority", Kind.COUNT, order="x"),
        Column("amount", "Granted", "grant.amount_micros", Kind.CREDITS, order="x"),
        Column("spent", "Used up", "grant.spent_micros", Kind.CREDITS, order="x"),
        Column("held", "Held", "grant.held_micros", Kind.CREDITS, order="x"),
        Column("free", "Free", "free_micros", Kind.CREDITS, order="x"),
        Column("remaining", "Left", "grant.remaining_micros", Kind.CREDITS, order="x"),
        Column("expires", "Expires", "grant.expires_at", Kind.TIME, order="x"),
        Column("created", "Granted on", "grant.created_at", Kind.TIME, order="x"),
        Column("reason", "", "grant.reason", is_in_page=False),
    ),
    sort="turn",
    empty="No credits were granted yet. The operator of this Tollgate grants them.",
)
SUMS = ("amount", "spent", "held", "remaining")


@require_safe
@tenancy.page(Permission.SEE_MONEY)
def credits_page(request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
    """Every grant, in the order in which it pays."""
    account_id = tenant.organization.account_id
    grants, now = grants_of(account_id), timezone.now()
    rows = in_turn(grants, now)
    if tables.wants_csv(request):
        return TABLE.csv(request, rows)
    sums = {
        name: sum(getattr(each, f"{name}_micros") for each in grants) for name in SUMS
    }
    sums["free"] = sum(row.free_micros for row in rows)
    expiring = [row for row in rows if row.state == "active" and row.grant.expires_at]
    context = {
        "listing": TABLE.show(request, rows, totals=sums),
        "balance": balance_of(account_id),
        "expiring": sorted(expiring, key=_expiry)[:3],
    }
    return frame.show(request, tenant, "credits/credits.html", context)


def in_turn(grants: list[GrantReport], now: datetime) -> list[Row]:
    """In burn order those that can pay, then the others, the latest first."""

    def pays(grant: GrantReport) -> bool:
        is_past = grant.expires_at is not None and grant.expires_at <= now
        return bool(grant.remaining_micros) and not is_past

    first = sorted(filter(pays, grants), key=lambda grant: grant.burns_before)
    rest = [grant for grant in grants if not pays(grant)]
    turns = [Row(grant, turn, now) for turn, grant in enumerate(first, 1)]
    return [*turns, *(Row(grant, None, now) for grant in rest)]


def _expiry(row: Row) -> datetime:
    assert row.grant.expires_at is not None, "chosen for it"
    return row.grant.expires_at
