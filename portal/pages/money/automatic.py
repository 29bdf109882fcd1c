"""*Automatic top-up*: when credits are bought without being asked for, with a consent
in writing to the very words that are shown."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from billing.models import AutoTopUp, Buyer, Consent
from billing.models.topup import ProviderName
from billing.payments import errors
from billing.payments.prices import money_text
from billing.payments.standing_orders import spent_in_month
from portal.pages.money.topup_forms import AgreeForm, AutoForm
from portal.pages.parts import frame
from portal.tenants import audit, auto_topups, tenancy, topups
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

# Why it waits for a person, and what to do.
PAUSES = {
    "declined": "The card was declined several times. Buy credits with another card, "
    "and have it kept for automatic top-ups.",
    "no_card": "No card is kept. Buy credits by card, and have it kept for automatic "
    "top-ups.",
    "too_many": "Credits were bought several times within an hour: look what spends "
    "them, then resume.",
    "not_sold": "That amount is not sold any more: choose another.",
}


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(Permission.BUY_CREDITS)
def auto_topup_page(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """First the words that follow from the terms are shown, then they are agreed to."""
    account_id = tenant.organization.account_id
    order = AutoTopUp.objects.filter(account_id=account_id).first()
    form = AutoForm(request.POST or None, order)
    agree: AgreeForm | None = None
    if form.is_valid():
        is_answer = "text" in request.POST
        text = {"text": form.cleaned_data["text"]}
        agree = AgreeForm(request.POST) if is_answer else AgreeForm(initial=text)
        if is_answer and agree.is_valid():
            return _save(request, tenant, form, agree)
    context = {"form": form, "agree": agree, **_describe(account_id, order)}
    if form.is_bound and form.is_valid():
        context["words"] = form.cleaned_data["text"]
    return frame.show(
        request, tenant, "topups/automatic.html", context, current="top-up"
    )


def _save(
    request: HttpRequest, tenant: Tenant, form: AutoForm, agree: AgreeForm
) -> HttpResponse:
    actor, text = audit.actor_of(request), agree.cleaned_data["text"]
    try:
        auto_topups.set_up(
            tenant.organization, form.cleaned_data["terms"], text, actor=actor
        )
    except errors.TopUpRefused as refusal:
        messages.error(request, f"Nothing was saved. {refusal}")
    else:
        messages.success(request, "Credits are bought automatically from now on.")
    return redirect("auto-topup", tenant.organization.slug)


@tenancy.page(Permission.BUY_CREDITS)
@require_POST
def auto_topup_stop(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    auto_topups.turn_off(tenant.organization, actor=audit.actor_of(request))
    messages.success(request, "Nothing is bought automatically any more.")
    return redirect("auto-topup", tenant.organization.slug)


@tenancy.page(Permission.BUY_CREDITS)
@require_POST
def auto_topup_resume(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    auto_topups.resume(tenant.organization, actor=audit.actor_of(request))
    messages.success(request, "Automatic top-ups go on.")
    return redirect("auto-topup", tenant.organization.slug)


def _describe(account_id: int, order: AutoTopUp | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "order": order,
        "takes_cards": ProviderName.STRIPE.value in topups.ways(),
        "has_card": Buyer.objects.filter(account_id=account_id)
        .exclude(method_ref="")
        .exists(),
    }
    if order is not None:
        spent = spent_in_month(account_id, timezone.now())
        found["consent"] = Consent.objects.filter(id=order.consent_id).first()
        found["spent"] = money_text(spent, order.currency)
        found["month_max"] = money_text(order.month_max_minor, order.currency)
        found["pause"] = PAUSES.get(order.paused_for, "")
    return found
