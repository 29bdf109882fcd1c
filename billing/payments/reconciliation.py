"""The sweep over payments: whatever webhook was lost, its credits come within one run.

It reads all events of the provider since it last did, and asks about each order of
which nothing was heard. It may be killed anywhere and run beside itself.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from billing.ledger import dialect
from billing.models import PaymentEvent, PaymentLook, TopUp
from billing.models.payment_event import EventState
from billing.models.topup import ProviderName, TopUpStatus
from billing.payments import (
    errors,
    intake,
    orders,
    providers,
    refunds,
    rows,
)
from billing.payments.provider import Source
from billing.payments.report import Report, Said
from billing.values.crashpoints import crashpoint
from billing.values.errors import LedgerUnavailable

logger = logging.getLogger(__name__)

# Events are read again for so long: a clock may be wrong, an event be listed late.
OVERLAP = timedelta(minutes=10)
FIRST_READ = timedelta(days=1)
AT_ONCE = 200
LOOK_AGAIN, LOOK_AGAIN_MAX = timedelta(seconds=60), timedelta(hours=1)
DRIFT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Drift:
    """A top-up of which its provider says something else than we do."""

    topup_id: UUID
    ours: str
    theirs: str


def sweep(source: Source = providers.configured) -> dict[str, int]:
    """Read what there is to read; how many events, orders and refunds asked about."""
    asked = refunds.ask_due(source)  # before the events that tell of them are read
    read = _read_events(source)
    _settle_waiting()
    looked = 0
    due = TopUp.objects.filter(status=TopUpStatus.PENDING, look_at__lte=dialect.now())
    for topup in due.order_by("look_at")[:AT_ONCE]:
        looked += 1
        try:
            orders.look(topup, source)
        except errors.ProviderOff:
            logger.error("%s: its provider is not set up", topup.public_id)
        except (errors.ProviderDown, LedgerUnavailable) as error:
            logger.warning("%s is looked at later: %s", topup.public_id, error)
        _look_later(topup)
    return {"events": read, "looked": looked, "refunds": asked}


def drift(source: Source = providers.configured) -> list[Drift]:
    """The orders of the last 30 days that stand otherwise at their provider.

    Raises: ProviderOff, ProviderDown.
    """
    since = dialect.now() - timedelta(days=DRIFT_DAYS)
    known = TopUp.objects.filter(created_at__gte=since).exclude(
        provider=ProviderName.MANUAL
    )
    found = []
    for topup in known.exclude(provider_ref="").order_by("created_at").iterator():
        try:
            told = source(topup.provider).look(topup)
        except errors.ProviderRefusal as refusal:
            found.append(Drift(topup.id, topup.status, f"unknown ({refusal})"))
            continue
        theirs = _paid_by(told)
        ours = f"paid {topup.total_minor}" if topup.is_paid else "not paid"
        if theirs != ours:
            found.append(Drift(topup.id, ours, theirs))
    return found


def _paid_by(reports: list[Report]) -> str:
    paid = [report for report in reports if report.said == Said.PAID]
    return f"paid {paid[0].amount_minor}" if paid else "not paid"


def _read_events(source: Source) -> int:
    """Each event that came since the last read; how many."""
    name, now = ProviderName.STRIPE.value, dialect.now()
    look = PaymentLook.objects.filter(provider=name).first()
    since = look.read_until if look else now - FIRST_READ
    count = 0
    try:
        for told in source(name).events(since - OVERLAP):
            count += 1
            crashpoint("payments.read")
            intake.receive(told, provider=name)
    except errors.ProviderOff:
        return 0
    except (errors.ProviderError, LedgerUnavailable) as error:
        logger.warning("events of %s are read again later: %s", name, error)
        return count
    _read_until(name, now)
    return count


def _read_until(name: str, now: datetime) -> None:
    PaymentLook.objects.bulk_create(
        [PaymentLook(provider=name, read_until=now)], ignore_conflicts=True
    )
    PaymentLook.objects.filter(provider=name, read_until__lt=now).update(read_until=now)


def _settle_waiting() -> None:
    """Events of payments that became known at the same moment as the events."""
    waiting = PaymentEvent.objects.filter(state=EventState.WAITING)
    names = waiting.values_list("provider", "payment_ref").distinct()
    for provider, payment_ref in list(names[:AT_ONCE]):
        topup_id = (
            TopUp.objects.filter(provider=provider, payment_ref=payment_ref)
            .values_list("id", flat=True)
            .first()
        )
        if topup_id is not None:
            with transaction.atomic():
                intake.take_waiting(rows.locked(topup_id), provider)


def _look_later(topup: TopUp) -> None:
    """Less and less often; one that has ended meanwhile is not looked at again."""
    pause = min(LOOK_AGAIN * 2 ** min(topup.looks, 10), LOOK_AGAIN_MAX)
    TopUp.objects.filter(id=topup.id, status=TopUpStatus.PENDING).update(
        looks=topup.looks + 1, look_at=dialect.now() + pause
    )
