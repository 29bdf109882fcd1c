"""Orders brought to their provider, and asked about there.

Each step may be cut anywhere and done twice: the row is committed before the provider
hears of it, and what he is asked has an idempotency key of the row.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from billing.ledger import dialect
from billing.models import Buyer, TopUp
from billing.models.topup import ProviderName, TopUpStatus
from billing.payments import errors, intake, providers, topups
from billing.payments.provider import Provider, Source
from billing.payments.report import Report
from billing.payments.settlement import DoesNotFit
from billing.values.crashpoints import crashpoint

logger = logging.getLogger(__name__)

ATTEMPTS_MAX = 3
# Afterwards the provider has forgotten our key: what is asked again may be done again.
KEY_KEPT = timedelta(hours=23)


def bring(topup: TopUp, source: Source = providers.configured) -> TopUp:
    """Have the provider open a page where the buyer pays; one that is there stays.

    Raises: ProviderOff; ProviderDown: it is pending, and the same call may come again;
    ProviderRefusal: it has failed.
    """
    provider = source(topup.provider)
    for _ in range(ATTEMPTS_MAX):
        if topup.status != TopUpStatus.PENDING or topup.provider_ref:
            return topup
        if topup.provider == ProviderName.MANUAL:
            return topup
        try:
            made = provider.begin(topup, _buyer(topup, provider))
        except errors.KeySpent:
            topup = topups.next_attempt(topup.id, topup.attempt)
        except errors.ProviderRefusal as refusal:
            reason = f"refused: {refusal}"[:200]
            topups.fail(topup.id, reason=reason, by=topup.provider)
            raise
        else:
            crashpoint("payments.begun")
            return topups.begun(
                topup.id,
                provider_ref=made.provider_ref,
                pay_url=made.pay_url,
                attempt=topup.attempt,
            )
    raise errors.ProviderDown("it knows each of our keys with other particulars")


def charge(topup: TopUp, source: Source = providers.configured) -> TopUp:
    """Take the money of an automatic one by the saved method.

    Raises: ProviderOff, ProviderDown: it is pending, and is charged again later under
    the same key.
    """
    provider = source(topup.provider)
    buyer = Buyer.objects.filter(
        account_id=topup.account_id, provider=topup.provider
    ).first()
    if buyer is None or not (buyer.method_ref or _find_method(buyer, source)):
        return topups.fail(topup.id, reason="no card", by=topup.provider)
    try:
        report = provider.charge(topup, buyer)
    except errors.KeySpent:
        # Charged with other particulars, a card that was replaced meanwhile: what
        # became of that is told by its event.
        raise errors.ProviderDown("the key is spent") from None
    except errors.ProviderRefusal as refusal:
        reason = f"refused: {refusal}"[:200]
        return topups.fail(topup.id, reason=reason, by=topup.provider)
    crashpoint("payments.charged")
    if report.provider_ref:
        topups.begun(
            topup.id,
            provider_ref=report.provider_ref,
            pay_url="",
            attempt=topup.attempt,
        )
    return take_all(topup, [report])


def look(topup: TopUp, source: Source = providers.configured) -> TopUp:
    """Ask the provider what became of it, or ask him again for what he was asked.

    Raises: ProviderOff, ProviderDown.
    """
    if topup.provider == ProviderName.MANUAL:
        return topup
    if topup.provider_ref:
        try:
            told = source(topup.provider).look(topup)
            crashpoint("payments.looked")
            return take_all(topup, told)
        except errors.ProviderRefusal as refusal:
            logger.error("%s is unknown to its provider: %s", topup.public_id, refusal)
            return topup
    if dialect.now() > topup.created_at + KEY_KEPT:
        # Nobody ever saw where to pay. Of a charge its event would have told.
        return topups.expire(topup.id, by="reconciliation")
    if topup.is_automatic:
        return charge(topup, source)
    try:
        return bring(topup, source)
    except errors.ProviderRefusal:
        return TopUp.objects.get(id=topup.id)


def take_all(topup: TopUp, reports: list[Report]) -> TopUp:
    """What was answered; what does not fit is logged, and changes nothing."""
    for report in reports:
        try:
            topup = intake.take(topup.id, report, by=topup.provider)
        except DoesNotFit as error:
            logger.error("%s: the provider says %s", topup.public_id, error)
    return topup


def _buyer(topup: TopUp, provider: Provider) -> Buyer:
    """The organization as its provider knows it; he is told of it with its first
    order. Raises: ProviderDown, ProviderRefusal."""
    known = Buyer.objects.filter(account_id=topup.account_id).first()
    if known is not None and known.customer_ref:
        return known
    customer_ref = provider.customer(topup.account_id)
    made, _ = Buyer.objects.get_or_create(
        account_id=topup.account_id,
        defaults={"provider": topup.provider, "customer_ref": customer_ref},
    )
    return made


def _find_method(buyer: Buyer, source: Source) -> str:
    """The card that came with the last payment for which it was to be saved."""
    paid = TopUp.objects.filter(
        account_id=buyer.account_id,
        provider=buyer.provider,
        saves_method=True,
        paid_at__isnull=False,
    ).order_by("-paid_at")
    payment_ref = paid.values_list("payment_ref", flat=True).first()
    if not payment_ref:
        return ""
    buyer.method_ref = source(buyer.provider).method_of(payment_ref)
    Buyer.objects.filter(pk=buyer.pk).update(method_ref=buyer.method_ref)
    return buyer.method_ref
