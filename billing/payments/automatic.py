"""Automatic top-ups: set up with a consent in writing, and charged when one is due."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.db import transaction

from billing.ledger import dialect
from billing.models import AutoTopUp, Consent, TopUp
from billing.models.topup import TopUpStatus
from billing.payments import errors, orders, prices, providers, standing_orders, topups
from billing.payments.provider import Source
from billing.payments.standing_orders import BURST, BURST_TIME, NOT_SOLD, TOO_MANY
from billing.reports.balance import balance_of
from billing.values.amounts import credits_text
from billing.values.crashpoints import crashpoint
from billing.values.errors import LedgerUnavailable
from billing.values.orders import AMOUNT_MICROS_MAX, CREDIT

logger = logging.getLogger(__name__)

ASKED_BY = "automatic top-up"


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed to: below `threshold_micros` available, whole `credits` are
    bought, for at most `month_max_minor` in a calendar month (UTC)."""

    threshold_micros: int
    credits: int
    month_max_minor: int


@dataclass(frozen=True, slots=True)
class Agreed:
    """Who agreed, from where, and to which words (`consent_text`)."""

    text: str
    person: str
    address: str


def consent_text(terms: Terms) -> str:
    """The words that have to be agreed to, word by word. Raises: BadAmount."""
    offer = _checked(terms)
    price = prices.money_text(offer.price_minor, offer.currency)
    most = prices.money_text(terms.month_max_minor, offer.currency)
    return (
        f"Whenever fewer than {credits_text(terms.threshold_micros)} credits are "
        f"available, buy {terms.credits} credits for {price} plus tax, without asking "
        f"again, by the payment method that is saved; for {most} at most in a calendar "
        "month. I may turn this off at any time."
    )


def set_up(account_id: int, terms: Terms, agreed: Agreed) -> AutoTopUp:
    """Turn it on under these terms, or change them. The consent is kept for ever.

    Raises: BadAmount; NotAgreed when the text is not that of these terms.
    """
    if agreed.text != consent_text(terms):
        raise NotAgreed("Agree to the terms as they are now.")
    with transaction.atomic():
        consent = Consent.objects.create(
            account_id=account_id,
            text=agreed.text,
            person=agreed.person[:254],
            address=agreed.address[:45],
            given_at=dialect.now(),
        )
        order, _ = AutoTopUp.objects.update_or_create(
            account_id=account_id,
            defaults={
                "is_on": True,
                "threshold_micros": terms.threshold_micros,
                "amount_micros": terms.credits * CREDIT,
                "month_max_minor": terms.month_max_minor,
                "currency": prices.currency(),
                "consent_id": consent.id,
                "failures": 0,
                "not_before": None,
                "paused_for": "",
            },
        )
        return order


def turn_off(account_id: int) -> bool:
    """No further one is charged; True if it was on."""
    found = AutoTopUp.objects.filter(account_id=account_id, is_on=True)
    return found.update(is_on=False) > 0


def resume(account_id: int) -> bool:
    """After a pause; True if it was paused."""
    found = AutoTopUp.objects.filter(account_id=account_id, is_on=True)
    paused = found.exclude(paused_for="", not_before=None)
    return paused.update(paused_for="", not_before=None, failures=0) > 0


def run_due(source: Source = providers.configured) -> int:
    """Charge what is due, for each organization by itself; how many were charged."""
    charged = 0
    on = AutoTopUp.objects.filter(is_on=True, paused_for="")
    for account_id in list(on.values_list("account_id", flat=True)):
        try:
            topup = order_if_due(account_id)
            if topup is not None:
                crashpoint("payments.ordered")
                orders.charge(topup, source)
                charged += 1
        except (errors.ProviderError, LedgerUnavailable) as error:
            # The sweep charges it again, under the same key.
            logger.warning("automatic top-up of account %d: %s", account_id, error)
    return charged


def order_if_due(account_id: int) -> TopUp | None:
    """The next one, written and not charged yet; null: none is due. One at a time."""
    with transaction.atomic():
        order = (
            AutoTopUp.objects.select_for_update(no_key=True)
            .filter(account_id=account_id, is_on=True, paused_for="")
            .first()
        )
        if order is None or not _is_due(order):
            return None
        return _order(order)


def _is_due(order: AutoTopUp) -> bool:
    if order.not_before is not None and order.not_before > dialect.now():
        return False
    if balance_of(order.account_id).available_micros >= order.threshold_micros:
        return False
    running = TopUp.objects.filter(
        account_id=order.account_id, is_automatic=True, status=TopUpStatus.PENDING
    )
    return not running.exists()


def _order(order: AutoTopUp) -> TopUp | None:
    now = dialect.now()
    offer = _offer_of(order)
    recent = TopUp.objects.filter(
        account_id=order.account_id, is_automatic=True, created_at__gt=now - BURST_TIME
    )
    if offer is None or recent.count() >= BURST:
        standing_orders.pause_for(order, NOT_SOLD if offer is None else TOO_MANY)
        order.save()
        return None
    spent = standing_orders.spent_in_month(order.account_id, now)
    if spent + offer.price_minor > order.month_max_minor:
        order.not_before = standing_orders.next_month(now)
        order.save()
        key = f"month_max:{now:%Y-%m}"
        standing_orders.tell(order, "auto_topup.paused", "month_max", key=key)
        return None
    order.number += 1
    order.save()
    try:
        return topups.start(
            order.account_id,
            topups.Wanted(offer, is_automatic=True),
            key=f"{ASKED_BY} {order.number}",
            asked_by=ASKED_BY,
        )
    except (errors.AccountSuspended, errors.TooManyPending):
        return None


def _offer_of(order: AutoTopUp) -> prices.Offer | None:
    try:
        credits = order.amount_micros // CREDIT
        return prices.offer(credits=credits, wanted_currency=order.currency)
    except errors.TopUpRefused:
        return None


class NotAgreed(errors.TopUpRefused):
    """The words are not those of the terms."""

    field = "consent"


def _checked(terms: Terms) -> prices.Offer:
    offer = prices.offer(credits=terms.credits)
    if not (
        type(terms.threshold_micros) is int
        and 0 < terms.threshold_micros <= AMOUNT_MICROS_MAX
    ):
        raise errors.BadAmount("The threshold is more than nothing.")
    if not (
        type(terms.month_max_minor) is int
        and offer.price_minor <= terms.month_max_minor <= prices.PRICE_MINOR_MAX
    ):
        raise errors.BadAmount("The most for a month is at least the price of one.")
    return offer
