"""Buying credits: an order of an organization's, in the name of a member."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from billing.models import TopUp
from billing.payments import orders, prices, providers, topups
from billing.payments.provider import Source
from billing.values.amounts import credits_text
from portal.models import Organization
from portal.tenants import audit, policy
from portal.tenants.roles import Permission


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted: a pack, or whole credits of one's own choice. No provider: the
    first that is set up. What is said of the buyer stands on the receipt."""

    pack: str = ""
    credits: int | None = None
    currency: str = ""
    provider: str = ""
    saves_method: bool = False  # for automatic top-ups
    buyer_name: str = ""
    buyer_address: str = ""
    buyer_tax_id: str = ""


def buy(
    organization: Organization,
    order: Order,
    *,
    key: str,
    actor: audit.Actor,
    source: Source = providers.configured,
) -> TopUp:
    """The top-up under this idempotency key, with the page where it is paid. Asked
    again with the same key and order it is the same one; `is_repeat` says so. Nothing
    is credited here.

    Raises: NotAllowed; TopUpRefused; ProviderOff, ProviderRefusal; ProviderDown: the
    order stands, and the same call may come again.
    """
    name = order.provider or next(iter(providers.names()), "")
    with transaction.atomic():
        policy.require(actor, organization.pk, Permission.BUY_CREDITS)
        source(name)  # who is not set up takes no order
        offer = prices.offer(
            pack=order.pack, credits=order.credits, wanted_currency=order.currency
        )
        wanted = topups.Wanted(
            offer,
            provider=name,
            saves_method=order.saves_method,
            buyer_name=order.buyer_name,
            buyer_address=order.buyer_address,
            buyer_tax_id=order.buyer_tax_id,
        )
        topup = topups.start(
            organization.account_id, wanted, key=key, asked_by=actor.label
        )
        if not topup.is_repeat:
            audit.record(
                "topup.start",
                actor=actor,
                organization=organization,
                target=topup.public_id,
                credits=credits_text(topup.amount_micros),
                price=prices.money_text(topup.price_minor, topup.currency),
                provider=topup.provider,
            )
    is_repeat = topup.is_repeat
    topup = orders.bring(topup, source)
    topup.is_repeat = is_repeat
    return topup


def ways() -> list[str]:
    """The providers that one may buy by."""
    return providers.names()
