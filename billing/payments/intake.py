"""What providers tell, by webhook or when asked: each event once, its effect with it.

An event that does not fit its top-up is quarantined: kept, listed, and without effect.
One about a payment that no top-up names yet waits until one does.
"""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction

from billing.ledger import dialect
from billing.models import PaymentEvent, TopUp, TopUpRefund
from billing.models.payment_event import EventState
from billing.models.topup_refund import RefundState
from billing.payments import report as reports
from billing.payments import rows, settlement
from billing.payments.errors import NotQuarantined, UnknownEvent, UnknownTopUp
from billing.payments.provider import Told
from billing.payments.report import OF_PAYMENTS, Report
from billing.payments.settlement import DoesNotFit


def receive(told: Told, *, provider: str) -> str:
    """Take an event in, and what it says, in one transaction; its state. An event that
    is known already changes nothing.

    Raises: AccountLocked, DatabaseError: nothing was written, so it has to come again.
    """
    try:
        with transaction.atomic():
            return _receive(told, provider)
    except IntegrityError:
        # The same event, or payment, at the same moment.
        known = PaymentEvent.objects.filter(provider=provider, event_id=told.event_id)
        state = known.values_list("state", flat=True).first()
        if state is not None:
            return state
        with transaction.atomic():
            return _receive(told, provider)


def take(topup_id: UUID, report: Report, *, by: str) -> TopUp:
    """The same of what a provider answered when he was asked: it has no event.

    Raises: DoesNotFit, UnknownTopUp; as `receive`.
    """
    with transaction.atomic():
        topup = rows.locked(topup_id)
        settlement.apply(topup, report, by=by)
        take_waiting(topup, by)
        return topup


def take_waiting(topup: TopUp, by: str) -> None:
    """What was told of its payment before anybody knew whose payment it is. It is
    locked by the caller's transaction."""
    if not topup.payment_ref:
        return
    waiting = PaymentEvent.objects.filter(
        provider=topup.provider,
        payment_ref=topup.payment_ref,
        state=EventState.WAITING,
    ).select_for_update(no_key=True)
    for event in waiting.order_by("id"):
        event.topup, event.state = topup, EventState.APPLIED
        try:
            settlement.apply(topup, reports.from_json(event.report or {}), by=by)
        except DoesNotFit as error:
            event.state, event.why = EventState.QUARANTINED, str(error)[:200]
        event.save()


def quarantined() -> list[PaymentEvent]:
    """The events that a person has to look at, the oldest first."""
    found = PaymentEvent.objects.filter(state=EventState.QUARANTINED)
    return list(found.select_related("topup").order_by("id"))


def release(event_id: str, *, by: str) -> PaymentEvent:
    """Carry out one that is quarantined, as if it came now: everything is checked
    again. Inside the caller's transaction.

    Raises: UnknownEvent; NotQuarantined; DoesNotFit, as it does not, still;
    AccountLocked. Nothing was written then.
    """
    event = _find(event_id)
    if event.report is None:
        raise DoesNotFit(f"{event.why or 'no top-up'}: it can only be dismissed")
    report = reports.from_json(event.report)
    topup = _of(report)  # locked before the event, as everywhere
    event = _find(event_id, is_locked=True)
    if topup is None:
        raise DoesNotFit("unknown order")
    if report.provider != event.provider:
        raise DoesNotFit("another provider")
    settlement.apply(topup, report, by=by)
    event.state, event.why, event.topup = EventState.APPLIED, "", topup
    event.save()
    take_waiting(topup, event.provider)
    return event


def dismiss(event_id: str) -> PaymentEvent:
    """Nothing follows from it: it is listed no more. Inside the caller's transaction.
    Raises: UnknownEvent; NotQuarantined."""
    event = _find(event_id, is_locked=True)
    event.state = EventState.DISMISSED
    event.save()
    return event


def _find(event_id: str, *, is_locked: bool = False) -> PaymentEvent:
    found = PaymentEvent.objects.filter(event_id=event_id)
    if is_locked:
        found = found.select_for_update(no_key=True)
    event = found.order_by("id").first()
    if event is None:
        raise UnknownEvent("There is no such event.")
    if event.state != EventState.QUARANTINED:
        raise NotQuarantined(f"It is {event.state}, not quarantined.")
    return event


def _receive(told: Told, provider: str) -> str:
    topup = None
    if told.report is not None:
        topup = _of(told.report)  # locked: of two with the same event one is first
    known = PaymentEvent.objects.filter(provider=provider, event_id=told.event_id)
    if (earlier := known.first()) is not None:
        return earlier.state
    event = PaymentEvent(
        provider=provider,
        event_id=told.event_id,
        type=told.type,
        state=EventState.APPLIED,
        happened_at=told.happened_at,
        received_at=dialect.now(),
    )
    if told.report is not None:
        event.report = reports.to_json(told.report)
        event.payment_ref = told.report.payment_ref[:255]
        _carry_out(event, topup, told.report)
    elif not told.alarm:
        event.state = EventState.IGNORED
    if told.failed_refund:
        _refund_failed(told.failed_refund)
    if told.alarm:
        event.state, event.why = EventState.QUARANTINED, told.alarm
    event.save(force_insert=True)
    return event.state


def _refund_failed(provider_ref: str) -> None:
    """The money of one that was done came back to the provider. What it did to the
    credits stays, until a person gives them back."""
    found = TopUpRefund.objects.filter(provider_ref=provider_ref)
    found.filter(state=RefundState.DONE).update(
        state=RefundState.REFUSED, why="It failed after it was made."
    )


def _carry_out(event: PaymentEvent, topup: TopUp | None, report: Report) -> None:
    if topup is None:
        waits = (
            report.said in OF_PAYMENTS and report.payment_ref and not report.topup_id
        )
        event.state = EventState.WAITING if waits else EventState.QUARANTINED
        event.why = "" if waits else "unknown order"
        return
    try:
        if report.provider != event.provider:
            raise DoesNotFit("another provider")
        settlement.apply(topup, report, by=event.provider)
    except DoesNotFit as error:
        event.state, event.why = EventState.QUARANTINED, str(error)[:200]
        # Whose it is may be what does not fit: it is not shown to that organization.
        return
    event.topup = topup
    take_waiting(topup, event.provider)


def _of(report: Report) -> TopUp | None:
    """The top-up that a report is about, locked; by its own name, else by its payment's
    or the order's at the provider."""
    topup_id = rows.named(report.topup_id)
    if topup_id is None and not report.topup_id and report.said in OF_PAYMENTS:
        paid = TopUp.objects.filter(
            provider=report.provider, payment_ref=report.payment_ref or None
        )
        topup_id = paid.values_list("id", flat=True).first()
    if topup_id is None:
        return None
    try:
        return rows.locked(topup_id)
    except UnknownTopUp:
        return None
