"""Budgets that are being used up, days that are unlike the others, calls that fail."""

from __future__ import annotations

from datetime import UTC, timedelta

from django.db.models import Count, Q

from billing import budgets
from billing.budgets import Link
from billing.models import Budget, Hold, UsageRecord
from billing.models.hold import HoldState
from billing.outbox import JSON
from billing.reports.spend import spend_by_day
from billing.reports.standing import window_began
from billing.values.orders import CREDIT
from portal.notices.watching.seen import Seen

THRESHOLDS = (100, 80, 50)
# Before that a pace says nothing.
ELAPSED_PERCENT, USED_PERCENT = 10, 25
TICK = timedelta(microseconds=1)
SPIKE_DAYS, SPIKE_DAYS_USED, SPIKE_TIMES = 7, 3, 3
SPIKE_MICROS = 10 * CREDIT
OVERRUNS_MAX = 200  # in one look
ERRORS_CALLS, ERRORS_PERCENT = 20, 25
# Ended by whoever asked, and no fault of anybody's.
NO_FAULT = ("client_gone", "envelope_closed")


def look_at_budgets(seen: Seen) -> None:
    links = budgets.of_account(seen.account_id)
    holders = _holders(seen, links)
    for link in links:
        data = _data(seen, link, holders.get(link.budget_id))
        reached = _reached(link)
        if reached:
            name = "exceeded" if reached == 100 else "threshold_reached"
            key = f"{_period(link)}:{reached}"
            seen.emit(f"budget.{name}", key, **data)
        if reached != 100 and (runs_out := _runs_out(seen, link)):
            overrun = {**data, "runs_out_on": runs_out}
            seen.emit("budget.overrun_projected", _period(link), **overrun)


def _reached(link: Link) -> int:
    """The highest threshold; what is held counts when it refuses calls."""
    percent = link.used_micros * 100 // link.limit_micros
    return next((each for each in THRESHOLDS if percent >= each), 0)


def _period(link: Link) -> str:
    """A window; where it never ends, until the limit is another."""
    ends = link.resets_at
    window = ends.isoformat() if ends else f"total {link.limit_micros}"
    return f"{link.budget_id}:{window}"


def _holders(seen: Seen, links: list[Link]) -> dict[int, int | None]:
    """Whose they are: a member's own, a key's of who holds it, or of who answers for
    its project where that is a program, a project's of who answers for it."""
    found = Budget.objects.filter(id__in=[link.budget_id for link in links])
    rows = list(
        found.values_list(
            *("id", "holder_id", "spender__holder_id"),
            *("project_id", "spender__project_id"),
        )
    )
    organization = seen.organization
    owners: dict[int, int] = dict(
        organization.projects.filter(owner__isnull=False).values_list(
            "unit_id", "owner__unit_id"
        )
    )
    people = set(organization.memberships.values_list("unit_id", flat=True))
    return {
        number: holder
        or (of_key if of_key in people else None)
        or owners.get(project or of_keys_project or 0)
        for number, holder, of_key, project, of_keys_project in rows
    }


def _data(seen: Seen, link: Link, holder_id: int | None) -> dict[str, JSON]:
    return {
        "object": "budget",
        "id": f"budget_{link.budget_id}",
        "name": link.label or link.level,
        "level": link.level,
        "window": link.window,
        "models": link.model_pattern or None,
        "limit_micros": link.limit_micros,
        "used_micros": link.used_micros,
        "percent": link.used_micros * 100 // link.limit_micros,
        "ends_on": seen.day(link.resets_at) if link.resets_at else None,
        "holder_id": holder_id,
    }


def _runs_out(seen: Seen, link: Link) -> str:
    """The day on which it will, at the pace of its window so far; "" if it lasts."""
    if link.resets_at is None or link.window == "day":
        return ""
    now, ends = seen.now.astimezone(UTC), link.resets_at.astimezone(UTC)
    zone = seen.organization.account.time_zone
    starts = window_began(link.window, zone, now)
    elapsed, whole = now - starts, ends - starts
    is_early = elapsed * 100 < whole * ELAPSED_PERCENT
    if is_early or link.used_micros * 100 < link.limit_micros * USED_PERCENT:
        return ""
    # In microseconds: a time cannot be multiplied by so many microcredits.
    rest = link.limit_micros - link.used_micros
    left = elapsed // TICK * rest // link.used_micros
    return seen.day(now + left * TICK) if left < (ends - now) // TICK else ""


def look_at_spike(seen: Seen) -> None:
    days = spend_by_day(seen.account_id, days=SPIKE_DAYS + 1, zone=seen.zone)
    *before, today = [day.charged_micros for day in days]
    mean = sum(before) // SPIKE_DAYS
    used = sum(1 for each in before if each)
    if used < SPIKE_DAYS_USED or today - mean < SPIKE_MICROS:
        return
    if today > SPIKE_TIMES * mean:
        seen.emit(
            "spend.spike",
            days[-1].day.isoformat(),
            object="day",
            day=days[-1].day.isoformat(),
            today_micros=today,
            mean_micros=mean,
            days=SPIKE_DAYS,
        )


def look_at_errors(seen: Seen) -> None:
    calls = Hold.objects.filter(
        account_id=seen.account_id,
        is_envelope=False,
        placed_at__gte=seen.now - timedelta(hours=1),
    )
    failed = Q(state=HoldState.RELEASED) & ~Q(reason__in=NO_FAULT)
    counted = calls.aggregate(
        requests=Count("id", filter=~Q(state=HoldState.OPEN)),
        failed=Count("id", filter=failed),
    )
    requests, faults = counted["requests"], counted["failed"]
    if requests >= ERRORS_CALLS and faults * 100 >= requests * ERRORS_PERCENT:
        seen.emit(
            "errors.high",
            seen.day(seen.now),
            object="calls",
            requests=requests,
            failed=faults,
        )


def look_at_overruns(seen: Seen) -> None:
    """Calls that cost more than was held for them."""
    records = UsageRecord.objects.filter(
        account_id=seen.account_id,
        settled_at__gte=seen.since,
        flags__contains="hold_overrun",
    )
    for record in records.order_by("settled_at")[:OVERRUNS_MAX]:
        seen.emit(
            "hold.overrun",
            record.hold_id.hex,
            object="request",
            id=f"req_{record.hold_id.hex}",
            model=record.model,
            charged_micros=record.charged_micros,
            price_micros=record.price_micros,
        )
