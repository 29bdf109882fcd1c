"""Events that wait for the operator's decision, and refunds, for portal tests."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import uuid4

from billing.ledger import dialect
from billing.models import PaymentEvent, TopUp
from billing.models.payment_event import EventState
from billing.payments import prices, topups
from billing.payments import report as reports
from billing.payments.report import Report, Said
from portal.models import Organization
from portal.operator import payments
from tests.support.cast import OPERATOR
from tests.support.portal.bought import make_paid
from tests.support.portal.worlds import Act, Do, World


def make_quarantined(organization: Organization, **changes: Any) -> PaymentEvent:
    """That an order was paid, told before a backup with the order was played back."""
    wanted = topups.Wanted(prices.offer(credits=1000))
    topup = topups.start(
        organization.account_id, wanted, key=uuid4().hex, asked_by="a test"
    )
    return quarantine(paid_report(topup, **changes))


def paid_report(topup: TopUp, **changes: Any) -> Report:
    told: dict[str, Any] = {
        "provider": "stripe",
        "topup_id": topup.public_id,
        "account_id": str(topup.account_id),
        "currency": topup.currency,
        "happened_at": dialect.now(),
        "payment_ref": f"pi_{topup.id.hex}",
        "amount_minor": topup.price_minor,
    }
    return Report(Said.PAID, **told | changes)


def quarantine(report: Report | None, why: str = "unknown order") -> PaymentEvent:
    return PaymentEvent.objects.create(
        provider="stripe",
        event_id=f"evt_{uuid4().hex}",
        type="checkout.session.completed" if report else "refund.failed",
        state=EventState.QUARANTINED,
        why=why,
        report=reports.to_json(report) if report else None,
        happened_at=dialect.now(),
        received_at=dialect.now(),
    )


def _decided(decide: Any) -> Any:
    def prepare(world: World) -> Do:
        event = make_quarantined(world.organization)
        return partial(decide, event.event_id, reason="seen", actor=OPERATOR)

    return prepare


def _refunded(world: World) -> Do:
    name = make_paid(world.organization).public_id
    return partial(payments.refund, name, actor=OPERATOR, reference="r", reason="asked")


ACTS_OF_PAYING_BACK: dict[str, Act] = {
    "payments.refund": Act(_refunded, ("topup.refund", "topup.refunded")),
    "payments.release": Act(
        _decided(payments.release), ("payment_event.release", "topup.paid")
    ),
    "payments.dismiss": Act(_decided(payments.dismiss), ("payment_event.dismiss",)),
}


def _by_anybody(decide: Any) -> Any:
    def prepare(scene: Any) -> Any:
        event = make_quarantined(scene.organization)
        return lambda actor: decide(event.event_id, reason="seen", actor=actor)

    return prepare


def _refund_by_anybody(scene: Any) -> Any:
    name = make_paid(scene.organization).public_id
    return lambda actor: payments.refund(name, reference="r", reason="x", actor=actor)


OF_PAYING_BACK = {
    "pay a top-up back": (_refund_by_anybody, {"operator"}),
    "release a payment event": (_by_anybody(payments.release), {"operator"}),
    "dismiss a payment event": (_by_anybody(payments.dismiss), {"operator"}),
}
