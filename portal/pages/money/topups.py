"""*Buy credits*: the order, the list of all orders, and what became of one of them.

An order is pending until the payment provider says that it was paid: the page of it
asks for itself again and again, and without a script has a link that does.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from billing.models import Buyer, TopUp
from billing.models.topup import ProviderName
from billing.payments import errors, topups
from billing.payments import orders as asking
from billing.payments.prices import money_text
from billing.reports.balance import balance_of
from billing.values.errors import LedgerUnavailable
from portal.pages.money.topup_forms import BuyForm
from portal.pages.parts import frame, tables
from portal.pages.parts.polling import unless_known
from portal.pages.parts.tables import Column, Kind, Table
from portal.tenants import audit, tenancy
from portal.tenants import topups as orders
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

CURRENT = "top-up"  # the link of the navigation
TABLE = Table(
    name="top-ups",
    caption="Orders of credits, the latest first",
    columns=(
        Column("time", "Ordered", "created_at", Kind.TIME, order="created_at"),
        Column("id", "Top-up", "public_id", link="topup", link_to="id"),
        Column("state", "State", "status", Kind.STATE),
        Column("credits", "Credits", "amount_micros", Kind.CREDITS),
        Column("price", "To pay", lambda row: total_text(row)),
        Column("how", "How", lambda row: how(row)),
        Column("receipt", "Receipt", "receipt_number"),
        Column("by", "By", "asked_by"),
    ),
    sort="-time",
    empty="Nothing was bought yet.",
)


def total_text(topup: TopUp) -> str:
    """What is paid, with tax."""
    return money_text(topup.total_minor, topup.currency)


def how(topup: TopUp) -> str:
    """How it is paid, in words."""
    if topup.is_automatic:
        return "automatically"
    return "by card" if topup.provider == ProviderName.STRIPE else "by bank transfer"


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(Permission.SEE_MONEY)
def top_up_page(request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
    """Who sees money sees what was bought; who may buy has the form, too."""
    account_id = tenant.organization.account_id
    bought = TopUp.objects.filter(account_id=account_id)
    if tables.wants_csv(request):
        return TABLE.csv(request, bought)
    may_buy = tenant.may(Permission.BUY_CREDITS)
    if request.method == "POST" and not may_buy:
        raise Http404
    form = None
    if may_buy and orders.ways():
        buyer = Buyer.objects.filter(account_id=account_id).first()
        form = BuyForm(request.POST or None, buyer)
        if form.is_valid() and (ordered := _buy(request, tenant, form)):
            return ordered
    context = {
        "form": form,
        "may_buy": may_buy,
        "is_open": tenant.organization.account.is_open,
        "balance": balance_of(account_id),
        "listing": TABLE.show(request, bought),
    }
    return frame.show(request, tenant, "topups/buy.html", context, current=CURRENT)


def _buy(request: HttpRequest, tenant: Tenant, form: BuyForm) -> HttpResponse | None:
    """To the order's page; None where the form says what is wrong."""
    slug, key = tenant.organization.slug, f"page {form.cleaned_data['ticket']}"
    actor = audit.actor_of(request)
    try:
        topup = orders.buy(tenant.organization, form.order(), key=key, actor=actor)
    except errors.KeyReused:
        messages.info(request, "That form was sent before: this is a new one.")
        return redirect("top-up", slug)
    except errors.TopUpRefused as refusal:
        form.add_error(None, str(refusal))
        return None
    except errors.ProviderDown:
        # The order stands, and a task asks the provider again.
        account_id = tenant.organization.account_id
        topup = TopUp.objects.get(account_id=account_id, idempotency_key=key)
    except errors.ProviderError:
        form.add_error(
            None, "The payment provider declined that order: nothing was charged."
        )
        return None
    except LedgerUnavailable:
        form.add_error(None, "The database did not answer. Send the form again.")
        return None
    return redirect("topup", slug, topup.id)


@require_safe
@tenancy.page(Permission.SEE_MONEY)
def topup_page(request: HttpRequest, tenant: Tenant, order_id: UUID) -> HttpResponse:
    """One order: what to do next, or what became of it."""
    topup = of(tenant, order_id)
    context = {**describe(tenant, topup), "is_live": topup.status == "pending"}
    if request.GET.get("part") == "state":
        context["organization"] = tenant.organization
        with timezone.override(frame.zone_of(tenant)):
            part = render(request, "topups/state.html", context)
        return unless_known(request, part)
    return frame.show(request, tenant, "topups/topup.html", context, current=CURRENT)


@tenancy.page(Permission.BUY_CREDITS)
@require_POST
def topup_ask(request: HttpRequest, tenant: Tenant, order_id: UUID) -> HttpResponse:
    """Ask the payment provider now, as a task does by and by."""
    try:
        asking.look(of(tenant, order_id))
    except (errors.ProviderError, LedgerUnavailable):
        messages.error(request, "There is no answer. Ask again later.")
    return redirect("topup", tenant.organization.slug, order_id)


@require_safe
@tenancy.page(Permission.SEE_MONEY)
def receipt_page(request: HttpRequest, tenant: Tenant, order_id: UUID) -> HttpResponse:
    """To be printed. Raises: Http404 for what was never paid."""
    topup = of(tenant, order_id)
    if not topup.is_paid:
        raise Http404
    context = describe(tenant, topup)
    return frame.show(request, tenant, "topups/receipt.html", context, current=CURRENT)


def of(tenant: Tenant, order_id: UUID) -> TopUp:
    """Raises: Http404 for another organization's."""
    try:
        return topups.find(tenant.organization.account_id, order_id)
    except errors.UnknownTopUp:
        raise Http404 from None


def describe(tenant: Tenant, topup: TopUp) -> dict[str, Any]:
    """What the pages of one order show."""
    return {
        "topup": topup,
        "total": total_text(topup),
        "price": money_text(topup.price_minor, topup.currency),
        "tax": money_text(topup.tax_minor, topup.currency),
        "refunded": money_text(topup.refunded_minor, topup.currency),
        "how": how(topup),
        "is_manual": topup.provider == ProviderName.MANUAL,
        "may_buy": tenant.may(Permission.BUY_CREDITS),
        "balance": balance_of(topup.account_id),
    }
