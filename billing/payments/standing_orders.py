"""Automatic top-ups, as their rows say: when one is due, and what follows from one.

Nothing is charged here: `automatic.py` does that.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from billing import outbox
from billing.ledger import dialect
from billing.models import AutoTopUp, TopUp
from billing.models.topup import TopUpStatus

# After a decline: the bank says no again, or takes so many for fraud.
BACK_OFF = (timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
FAILURES_MAX = 3
# More than these in an hour is no need of credits, but a mistake.
BURST, BURST_TIME = 3, timedelta(hours=1)

# Why an order waits for a person.
DECLINED = "declined"  # the card, again and again: pay in Checkout
NO_CARD = "no_card"  # there is none: pay in Checkout, and have it saved
TOO_MANY = "too_many"  # the burst guard
NOT_SOLD = "not_sold"  # that amount or currency is not sold any more


def follow(topup: TopUp, before: str) -> None:
    """What a top-up that has just changed means for the automatic ones."""
    order = (
        AutoTopUp.objects.select_for_update(no_key=True)
        .filter(account_id=topup.account_id)
        .first()
    )
    if order is None or before != TopUpStatus.PENDING:
        return
    if topup.status == TopUpStatus.PAID and (topup.is_automatic or topup.saves_method):
        order.failures, order.not_before = 0, None
        if order.paused_for in (DECLINED, NO_CARD):
            order.paused_for = ""
        order.save()
    elif topup.status == TopUpStatus.FAILED and topup.is_automatic:
        order.failures += 1
        pause = BACK_OFF[min(order.failures, len(BACK_OFF)) - 1]
        order.not_before = dialect.now() + pause
        if topup.reason == "no card":
            pause_for(order, NO_CARD)
        elif order.failures >= FAILURES_MAX:
            pause_for(order, DECLINED)
        order.save()


def pause_for(order: AutoTopUp, reason: str) -> None:
    """Until somebody resumes it; the owner is told. The caller saves the row."""
    order.paused_for = reason
    tell(order, "auto_topup.paused", reason, key=f"{reason}:{order.number}")


def tell(order: AutoTopUp, type: str, reason: str, *, key: str) -> None:
    """An event with what may be done about it."""
    data = {"object": "auto_topup", "reason": reason, "cure": "checkout"}
    outbox.emit(order.account_id, type, data, key=key)


def spent_in_month(account_id: int, now: datetime) -> int:
    """What automatic ones cost since the month began (UTC), pending ones among them,
    in minor units."""
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    counted = TopUp.objects.filter(
        account_id=account_id, is_automatic=True, created_at__gte=start
    ).exclude(status__in=[TopUpStatus.FAILED, TopUpStatus.EXPIRED])
    return sum(topup.total_minor for topup in counted)


def next_month(now: datetime) -> datetime:
    """When it begins, UTC."""
    middle = now.replace(day=28) + timedelta(days=5)
    return middle.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
