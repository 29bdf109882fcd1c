"""Runs: credits that keys have set aside for themselves, and what is left of them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from billing.reports.open_runs import runs_of
from portal.pages.parts import frame, navigation, tables
from portal.pages.parts.tables import Column, Kind, Table
from portal.tenants import sight, tenancy
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

TABLE = Table(
    name="runs",
    caption="Set aside out of a key's budgets and the balance; what is left comes back",
    columns=(
        Column("label", "Run", template="runs/name.html"),
        Column("id", "", "public_id", is_in_page=False),
        Column("state", "State", "state", Kind.STATE, order="state"),
        Column("parent", "Opened by", "parent_label", order="parent_label"),
        Column("holder", "Held by", "holder_label", order="holder_label"),
        Column("reserved", "Reserved", "reserved_micros", Kind.CREDITS, order="x"),
        Column("used", "Used", "used_micros", Kind.CREDITS, order="x"),
        Column("running", "Held by calls", "running_micros", Kind.CREDITS, order="x"),
        Column("inside", "In runs inside", "inside_micros", Kind.CREDITS, order="x"),
        Column("left", "Left", "left_micros", Kind.CREDITS, order="x"),
        Column("children", "Runs inside", "children", Kind.COUNT, order="x"),
        Column("created", "Opened", "created_at", Kind.AGO, order="x"),
        Column("expires", "Ends", "expires_at", Kind.AGO, order="x"),
    ),
    sort="-created",
    empty="No run is open. A key opens one with POST /v1/envelopes.",
)


@require_safe
@tenancy.page(*navigation.USAGE)
def run_list(request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
    """A developer sees runs of their own keys; a viewer, no names of keys."""
    shows_all = request.GET.get("state") == "all"
    own = sight.sees_own_only(tenant)
    found = runs_of(
        tenant.organization.account_id,
        only_open=not shows_all,
        holder_id=tenant.membership.unit_id if own else None,
    )
    hidden = []
    if not tenant.may(Permission.SEE_KEY_NAMES):
        hidden.append("parent")
    if own or not tenant.may(Permission.SEE_MEMBERS):
        hidden.append("holder")
    table = TABLE.without(*hidden)
    if tables.wants_csv(request):
        return table.csv(request, found)
    outer = [run for run in found if run.parent_envelope_id is None]
    totals = {
        name: sum(getattr(run, f"{name}_micros") for run in outer)
        for name in ("reserved", "used", "left")
    }
    context = {
        "listing": table.show(request, found, totals=totals),
        "shows_all": shows_all,
        "sees_own_only": own,
    }
    return frame.show(request, tenant, "runs/runs.html", context, current="activity")
