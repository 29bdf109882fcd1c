"""Low, used up, enough again: with a distance between, so that nothing flutters."""

from __future__ import annotations

from datetime import timedelta

from billing.models import Grant
from billing.outbox import JSON
from billing.reports.balance import balance_of
from billing.reports.runway import PACES, Runway, runway
from billing.reports.spend import spend_by_day
from billing.values.orders import CREDIT
from portal.models import AlertState
from portal.notices.watching.seen import Seen

# It is enough again with a fifth more than what was low.
ENOUGH_PERCENT, ENOUGH_DAYS = 120, 2
EXPIRING_DAYS = (7, 30)


def look(seen: Seen) -> None:
    setting = seen.settings["balance"]
    available = max(0, balance_of(seen.account_id).available_micros)
    days = spend_by_day(seen.account_id, days=max(PACES) + 1, zone=seen.zone)
    lasts = runway(available, [day.charged_micros for day in days[:-1]])
    amount = setting.low_micros or 0
    is_low = available < amount or _lasts_less(lasts, setting.low_days)
    is_enough = (
        available >= amount * ENOUGH_PERCENT // 100
        and available >= CREDIT
        and not _lasts_less(lasts, setting.low_days + ENOUGH_DAYS)
    )
    data: dict[str, JSON] = {
        "object": "balance",
        "available_micros": available,
        "runway_days": lasts.least if lasts else None,
        "runs_out_on": (
            seen.day(seen.now + timedelta(days=lasts.least)) if lasts else None
        ),
    }
    if available < 1:
        if episode := _turned(seen, "depleted", is_raised=True):
            seen.emit("balance.depleted", str(episode), **data)
    elif is_enough:
        _turned(seen, "depleted", is_raised=False)
    if is_low and available > 0:
        if episode := _turned(seen, "low", is_raised=True):
            seen.emit("balance.low", str(episode), **data)
    elif is_enough and (episode := _turned(seen, "low", is_raised=False)):
        seen.emit("balance.restored", str(episode), **data)


def _lasts_less(lasts: Runway | None, days: int) -> bool:
    return lasts is not None and lasts.least < days


def _turned(seen: Seen, kind: str, *, is_raised: bool) -> int:
    """The number of this episode if it has just begun, or ended; else 0."""
    rows = AlertState.objects.select_for_update()
    state, _ = rows.get_or_create(organization=seen.organization, kind=kind)
    if state.is_raised == is_raised:
        return 0
    state.is_raised = is_raised
    state.episode += int(is_raised)
    state.save(update_fields=["is_raised", "episode"])
    return state.episode


def look_at_grants(seen: Seen) -> None:
    """What was granted lately, what expires soon, and what has expired."""
    grants = Grant.objects.filter(account_id=seen.account_id)
    for grant in grants.filter(created_at__gte=seen.since):
        seen.emit(
            "grant.created",
            str(grant.id),
            object="grant",
            id=f"grant_{grant.id}",
            source=grant.source,
            amount_micros=grant.amount_micros,
            expires_on=seen.day(grant.expires_at) if grant.expires_at else None,
        )
    for grant in grants.filter(expires_at__gte=seen.since, expires_at__lte=seen.now):
        seen.emit(
            "grant.expired", str(grant.id), object="grant", id=f"grant_{grant.id}"
        )
    _expiring(seen)


def _expiring(seen: Seen) -> None:
    """By the day on which they expire, however many grants that are."""
    soon = Grant.objects.filter(
        account_id=seen.account_id,
        remaining_micros__gt=0,
        expires_at__gt=seen.now,
        expires_at__lte=seen.now + timedelta(days=max(EXPIRING_DAYS)),
    )
    sums: dict[tuple[str, int], int] = {}
    for grant in soon:
        assert grant.expires_at is not None
        left = grant.expires_at - seen.now
        days = next(each for each in EXPIRING_DAYS if left <= timedelta(days=each))
        # Whoever gets credits for a week knows that they last a week.
        if grant.expires_at - grant.created_at > timedelta(days=days):
            period = (seen.day(grant.expires_at), days)
            sums[period] = sums.get(period, 0) + grant.remaining_micros
    for (day, days), micros in sums.items():
        seen.emit(
            "grant.expiring",
            f"{day}:{days}",
            object="grant",
            remaining_micros=micros,
            expires_on=day,
            days=days,
        )
