"""What follows from all that was said of a top-up: its status, and what the ledger
gives or takes for it, whatever the order in which it was said."""

from __future__ import annotations

from contextlib import suppress

from django.db.models import Max

from billing import amendments, grants
from billing.amendments import NotAmendable, Why
from billing.models import Buyer, TopUp
from billing.models.grant import GrantSource
from billing.models.topup import Dispute, TopUpStatus
from billing.payments import changes
from billing.payments.report import OF_PAYMENTS, Report, Said
from billing.payments.rows import store
from billing.values.crashpoints import crashpoint

BUYER_FIELDS = {"buyer_name": 200, "buyer_address": 500, "buyer_tax_id": 64}
_DISPUTES = list(Dispute)
GONE = (Dispute.OPEN, Dispute.LOST)  # the bank has the money


class DoesNotFit(Exception):
    """What is said does not agree with the order: it changes nothing."""


def apply(topup: TopUp, report: Report, *, by: str) -> TopUp:
    """Take a report in; `topup` is locked by the caller's transaction. Again, or after
    what came later, it changes nothing.

    Raises: DoesNotFit; AccountLocked. Nothing was written then.
    """
    _check_fit(topup, report)
    before, paid_back = topup.status, _paid_back(topup)
    _note(topup, report)
    if report.said == Said.PAID:
        _keep_buyer(topup, report)
    _settle(topup)
    store(topup)
    crashpoint("payments.before_commit")
    if topup.status != before:
        changes.tell(topup, before, by)
    if _paid_back(topup) > paid_back and topup.status != TopUpStatus.REFUNDED:
        changes.tell_part(topup, by)
    return topup


def _paid_back(topup: TopUp) -> int:
    """Minor units; what is said of it before it is paid takes nothing yet."""
    return topup.refunded_minor if topup.paid_at else 0


def _check_fit(topup: TopUp, report: Report) -> None:
    """Raises: DoesNotFit, with a reason that can be shown."""
    wrong = ""
    if report.provider != topup.provider:
        wrong = "another provider"
    elif report.topup_id and report.topup_id != topup.public_id:
        wrong = "another order"
    elif report.account_id and report.account_id != str(topup.account_id):
        wrong = "another organization"
    elif report.currency and report.currency != topup.currency:
        wrong = "another currency"
    elif report.said == Said.PAID:
        wrong = _unfit_payment(topup, report)
    elif report.said in OF_PAYMENTS and topup.payment_ref not in (
        "",
        report.payment_ref or topup.payment_ref,
    ):
        wrong = "another payment"
    if wrong:
        raise DoesNotFit(wrong)


def _unfit_payment(topup: TopUp, report: Report) -> str:
    if report.topup_id != topup.public_id:
        return "no order"
    if report.account_id != str(topup.account_id):
        return "no organization"
    if report.currency != topup.currency:
        return "no currency"
    if report.tax_minor < 0:
        return "another amount"
    if report.amount_minor != topup.price_minor + report.tax_minor:
        return "another amount"
    if not report.payment_ref:
        return "no payment"
    if topup.provider_ref and report.provider_ref not in ("", topup.provider_ref):
        return "another order at the provider"
    if topup.payment_ref and topup.payment_ref != report.payment_ref:
        return "paid twice"
    others = TopUp.objects.filter(
        provider=topup.provider, payment_ref=report.payment_ref
    )
    return "payment of another top-up" if others.exclude(id=topup.id).exists() else ""


def _note(topup: TopUp, report: Report) -> None:
    """Add what is said to what is known: the result is the same in every order."""
    match report.said:
        case Said.PAID:
            topup.paid_at = min(topup.paid_at or report.happened_at, report.happened_at)
            topup.payment_ref, topup.tax_minor = report.payment_ref, report.tax_minor
            topup.provider_ref = topup.provider_ref or report.provider_ref
        case Said.FAILED:
            if topup.failed_at is None or report.happened_at < topup.failed_at:
                topup.failed_at = report.happened_at
                topup.reason = report.reason[:200]
        case Said.EXPIRED:
            at = min(topup.expired_at or report.happened_at, report.happened_at)
            topup.expired_at = at
        case Said.REFUNDED:
            topup.refunded_minor = max(topup.refunded_minor, report.refunded_minor)
        case Said.DISPUTED:
            _note_dispute(topup, report)
        case Said.UNPAID:
            pass


def _note_dispute(topup: TopUp, report: Report) -> None:
    known = {name: (Dispute(state), minor) for name, state, minor in topup.disputes}
    state, minor = known.get(report.dispute_ref, (Dispute.NONE, 0))
    known[report.dispute_ref] = (
        max(state, report.dispute, key=_DISPUTES.index),
        max(minor, report.disputed_minor),
    )
    topup.disputes = [
        [name, state.value, minor] for name, (state, minor) in sorted(known.items())
    ]
    stands = [each for each in known.values() if each[0] in GONE]
    topup.disputed_minor = sum(minor for _, minor in stands)
    states = {state for state, _ in stands or known.values()}
    topup.dispute = max(states, key=_DISPUTES.index)


def _keep_buyer(topup: TopUp, report: Report) -> None:
    """For the receipt, unless the order said it; and for automatic top-ups."""
    for name, most in BUYER_FIELDS.items():
        if not getattr(topup, name):
            setattr(topup, name, getattr(report, name)[:most])
    if not report.customer_ref:
        return
    buyer, _ = Buyer.objects.get_or_create(
        account_id=topup.account_id,
        defaults={"provider": topup.provider, "customer_ref": report.customer_ref},
    )
    if topup.saves_method:
        # Empty: the provider is asked for it when it is needed.
        buyer.method_ref = report.method_ref
    buyer.name, buyer.address = topup.buyer_name, topup.buyer_address
    buyer.tax_id = topup.buyer_tax_id
    buyer.save()


def _settle(topup: TopUp) -> None:
    """Make status and ledger what follows from what is known."""
    if topup.paid_at is None:
        known = (
            (topup.failed_at, TopUpStatus.FAILED),
            (topup.expired_at, TopUpStatus.EXPIRED),
        )
        topup.status = next((status for at, status in known if at), TopUpStatus.PENDING)
        if topup.status != TopUpStatus.PENDING:
            topup.look_at = None
        return
    topup.look_at, topup.reason = None, ""
    if topup.grant_id is None:
        _give(topup)
    _take_back(topup)
    if topup.dispute in GONE:
        topup.status = TopUpStatus.DISPUTED
    elif topup.refunded_minor >= topup.total_minor:
        topup.status = TopUpStatus.REFUNDED
    else:
        topup.status = TopUpStatus.PAID


def _give(topup: TopUp) -> None:
    """Grant its credits, once, and number the receipt. The operator's account, from
    which the grant comes, is locked from here on: numbers are given one by one."""
    topup.grant = grants.issue(
        topup.account_id,
        topup.amount_micros,
        source=GrantSource.PURCHASE,
        reference=f"topup:{topup.id.hex}",
        reason=f"Top-up {topup.public_id}",
    )
    last = TopUp.objects.aggregate(last=Max("receipt_number"))["last"]
    topup.receipt_number = (last or 0) + 1


def _take_back(topup: TopUp) -> None:
    """Take as many credits as were paid back, or give again what was taken too much
    (a dispute that was won)."""
    gone = min(topup.refunded_minor + topup.disputed_minor, topup.total_minor)
    target = topup.amount_micros * gone // topup.total_minor
    delta = target - topup.taken_micros
    if not delta:
        return
    topup.changes += 1
    why = Why(
        f"topup:{topup.id.hex}:{topup.changes}",
        f"{topup.public_id}: {gone} of {topup.total_minor} paid back or disputed",
        f"payment provider {topup.provider}",
    )
    if delta < 0:
        amendments.credit(topup.account_id, -delta, why)
    elif delta < topup.amount_micros or topup.changes > 1:
        amendments.clawback(topup.account_id, delta, why)
    else:
        assert topup.grant_id is not None
        # the operator has taken the grant back before
        with suppress(NotAmendable):
            amendments.reverse(topup.grant_id, why, recovers_spent=True)
    topup.taken_micros = target
