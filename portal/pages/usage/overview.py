"""What is left, for how long, what was spent and by what, and what needs attention."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing.reports import activity, periods, standing, usage
from billing.reports.activity import Wanted
from billing.reports.balance import Balance, balance_of
from billing.reports.periods import Bucket, Range
from billing.reports.runway import DAYS_MAX, Runway, runway
from billing.reports.usage import NOTHING, Dimension, Figures, Group
from portal.pages.parts import charts, frame, navigation, polling
from portal.pages.parts import periods as named
from portal.pages.usage import asked, attention
from portal.tenants import sight, tenancy
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

DAYS, CALLS, TOP = 30, 10, 5
SPANS = (("today", "Today"), ("7d", "7 days"), ("30d", "30 days"))
TOPS = (Dimension.MODEL, Dimension.KEY, Dimension.HOLDER, Dimension.CLIENT)
EXPIRIES_WITHIN = timedelta(days=366)


@require_safe
@tenancy.page(*navigation.OVERVIEW)
def overview(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """A developer sees what their own keys did; a viewer, no names of keys."""
    balance = balance_of(tenant.organization.account_id)
    calls = activity.page(Wanted(sight.usage_of(tenant)), CALLS).calls
    steps = steps_of(tenant, balance, is_called=bool(calls))
    if request.GET.get("part") == "steps":
        shown = {"steps": steps, "organization": tenant.organization, "tenant": tenant}
        shown["may_create_keys"] = tenant.may(Permission.CREATE_KEYS)
        return polling.unless_known(
            request, render(request, "overview/steps.html", shown)
        )
    context = {
        "balance": balance,
        "expired_micros": balance.balance_micros
        - balance.held_micros
        - balance.available_micros,
        "calls": calls,
        "sees_money": tenant.may(Permission.SEE_MONEY),
        "sees_own_only": sight.sees_own_only(tenant),
        "sees_key_names": tenant.may(Permission.SEE_KEY_NAMES),
        "may_create_keys": tenant.may(Permission.CREATE_KEYS),
        "activity_url": attention.link(tenant, "activity"),
        **standing_of(tenant, balance),
    }
    if not calls:
        context["steps"] = steps
    return frame.show(request, tenant, "overview/overview.html", context)


def standing_of(tenant: Tenant, balance: Balance) -> dict[str, Any]:
    """Sums, the chart, the largest, and what follows from them."""
    now, zone = usage.now(), tenant.organization.account.time_zone
    spent = spend(tenant, zone, now)
    lasts = runway(balance.available_micros, spent.pop("whole_days"))
    doubts, failures = attention.doubts_and_failures(tenant, now - timedelta(days=1))
    seen = attention.Seen(balance, lasts, doubts, now)
    expiries = standing.expiries_of(
        tenant.organization.account_id, within=EXPIRIES_WITHIN
    )
    return {
        **spent,
        "tops": tops(tenant, spent["span"]),
        "runway": words_of(lasts),
        "doubts": doubts,
        "failures": failures,
        "failed": sum(calls for _, calls in failures),
        "next_expiry": expiries[0] if expiries else None,
        "attention": attention.items(tenant, seen),
    }


def spend(tenant: Tenant, zone: str, now: datetime) -> dict[str, Any]:
    """The last days and the sums over them, each beside the period before: all from
    one question."""
    chosen = sight.usage_of(tenant)
    days = periods.buckets(periods.last_days(zone, DAYS, now=now), Bucket.DAY, zone)
    spans = [named.named(name, ZoneInfo(zone), now) for name, _ in SPANS]
    ranges = [Range(day.start, day.end) for day in days]
    for span in spans:
        before = span.before(now)
        ranges += [Range(span.since, span.until), Range(before.since, before.until)]
    found = usage.figures(chosen, ranges)
    used = [_used(found, place) for place in range(len(ranges))]
    charged = [each.charged_micros for each in used[:DAYS]]
    rows = [
        (periods.day_of(zone, day.start), each.charged_micros, each.requests)
        for day, each in zip(days, used, strict=False)
    ]
    sums = [
        (label, used[DAYS + 2 * place], used[DAYS + 2 * place + 1], spans[place].name)
        for place, (_, label) in enumerate(SPANS)
    ]
    return {
        "chart": charts.bars(rows),
        "days": [
            {"day": day, "charged_micros": micros, "requests": requests}
            for day, micros, requests in rows[::-1]
        ],
        "sums": sums,
        "total": sums[-1][1],
        "span": ranges[DAYS + 4],
        "whole_days": charged[:-1],
    }


def _used(found: dict[Group, Figures], place: int) -> Figures:
    return found.get((place, ()), NOTHING)


def tops(tenant: Tenant, span: Range) -> list[dict[str, Any]]:
    """The largest of each dimension that this person may know of."""
    chosen, known = sight.usage_of(tenant), sight.dimensions(tenant)
    lists = []
    for by in TOPS:
        if by not in known:
            continue
        used = {
            group[1][0]: each
            for group, each in usage.figures(chosen, [span], [by]).items()
        }
        ranked = sorted(used, key=lambda each: (-used[each].charged_micros, str(each)))
        names = asked.names_of(by, ranked[:TOP])
        most = max((each.charged_micros for each in used.values()), default=0)
        rows = [
            {
                "name": names.get(each) or str(each or asked.NAMELESS.get(by, "—")),
                "value": each or "-",
                "used": used[each],
                "percent": used[each].charged_micros * 100 // most if most > 0 else 0,
            }
            for each in ranked[:TOP]
        ]
        lists.append({"by": by.value, "label": asked.LABELS[by], "rows": rows})
    return lists


def words_of(lasts: Runway | None) -> str:
    """“≈ 9–14 days”; "" where nobody can say."""
    if lasts is None:
        return ""
    if lasts.least >= DAYS_MAX:
        return "more than a year"
    most = "more than 365" if lasts.most >= DAYS_MAX else str(lasts.most)
    if str(lasts.least) == most:
        return f"≈ {most} day{'' if most == '1' else 's'}"
    return f"≈ {lasts.least}–{most} days"


def steps_of(
    tenant: Tenant, balance: Balance, *, is_called: bool
) -> list[dict[str, Any]]:
    """The way to a first call: what is done, what is next."""
    has_key = is_called or tenant.organization.api_keys.exists()
    done = [is_called or balance.balance_micros > 0, has_key, is_called]
    names = ["credits", "key", "call"]
    following = done.index(False) if False in done else None
    return [
        {"name": name, "is_done": is_done, "is_next": index == following}
        for index, (name, is_done) in enumerate(zip(names, done, strict=True))
    ]
