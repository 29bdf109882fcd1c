"""What is left, what was spent, what happened last."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from billing.reports.balance import Balance, balance_of
from billing.reports.bounds import is_paused
from billing.reports.calls import latest_calls
from billing.reports.spend import spend_by_day
from portal.pages.parts import charts, frame, navigation
from portal.tenants import tenancy
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

DAYS, CALLS = 30, 20


@require_safe
@tenancy.page(*navigation.OVERVIEW)
def overview(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """A developer sees the calls of their own keys; a viewer, no names of keys."""
    spender_ids = None
    if not tenant.may(Permission.SEE_USAGE):
        spender_ids = list(tenant.visible_keys().values_list("spender_id", flat=True))
    account_id = tenant.organization.account_id
    balance = balance_of(account_id)
    calls = latest_calls(account_id, limit=CALLS, spender_ids=spender_ids)
    context = {
        "balance": balance,
        "expired_micros": balance.balance_micros
        - balance.held_micros
        - balance.available_micros,
        "calls": calls,
        "is_open": tenant.organization.account.is_open,
        "is_paused": is_paused(account_id),
        "sees_money": tenant.may(Permission.SEE_MONEY),
        "sees_own_only": spender_ids is not None,
        "sees_key_names": tenant.may(Permission.SEE_KEY_NAMES),
        "may_create_keys": tenant.may(Permission.CREATE_KEYS),
        **spend(account_id, spender_ids, tenant.organization.account.time_zone),
    }
    if not calls:
        context["steps"] = steps(tenant, balance)
    return frame.show(request, tenant, "overview/overview.html", context)


def spend(
    account_id: int, spender_ids: list[int] | None, time_zone: str
) -> dict[str, Any]:
    """The sums and the chart of days there, from one query."""
    days = spend_by_day(
        account_id, days=DAYS, spender_ids=spender_ids, zone=ZoneInfo(time_zone)
    )
    charged = [day.charged_micros for day in days]
    return {
        "chart": charts.bars([(d.day, d.charged_micros, d.requests) for d in days]),
        "days": days[::-1],
        "time_zone": time_zone,
        "sums": [
            ("Today", charged[-1]),
            ("7 days", sum(charged[-7:])),
            ("30 days", sum(charged)),
        ],
        "requests": sum(day.requests for day in days),
    }


def steps(tenant: Tenant, balance: Balance) -> list[dict[str, Any]]:
    """The way to a first call: what is done, what is next."""
    has_key = tenant.organization.api_keys.exists()
    done = [balance.balance_micros > 0, has_key, False]
    names = ["credits", "key", "call"]
    following = done.index(False)
    return [
        {"name": name, "is_done": is_done, "is_next": index == following}
        for index, (name, is_done) in enumerate(zip(names, done, strict=True))
    ]
