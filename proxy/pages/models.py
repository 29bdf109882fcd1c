"""*Models and prices*: the catalogue as `GET /v1/models` has it, what each costs this
organization, and a calculator that answers as `POST /v1/quote` would."""

from __future__ import annotations

from typing import Any

from asgiref.sync import SyncToAsync, async_to_sync
from django import forms
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from billing.pricing.rates import Units, UnpricedModel
from billing.reports.balance import Balance, balance_of
from portal.pages.parts import frame
from portal.tenants import sight, tenancy
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant
from proxy.http.errors import GatewayError
from proxy.pages import prices
from proxy.pages.prices import Offer
from proxy.upstream import client
from proxy.upstream.catalogue import catalogue

MOST = 10_000_000
SIZES = ("", "512x512", "1024x1024", "1792x1024", "1024x1792")


class CalculatorForm(forms.Form):
    """What a call would be made of; empty is none of it."""

    offer = forms.ChoiceField(label="Model")
    tokens_in = forms.IntegerField(
        label="Tokens in", required=False, min_value=0, max_value=MOST
    )
    tokens_out = forms.IntegerField(
        label="Tokens out", required=False, min_value=0, max_value=MOST
    )
    images = forms.IntegerField(required=False, min_value=0, max_value=100)
    size = forms.ChoiceField(
        label="Size of images",
        required=False,
        choices=[(size, size or "usual") for size in SIZES],
    )
    seconds = forms.IntegerField(
        label="Seconds of sound or video", required=False, min_value=0, max_value=86_400
    )
    characters = forms.IntegerField(
        label="Characters to speak", required=False, min_value=0, max_value=MOST
    )

    def __init__(self, offers: list[Offer], data: Any) -> None:
        super().__init__(data)
        field: Any = self.fields["offer"]
        field.choices = [
            (f"{each.operation} {each.model}", f"{each.model} · {each.operation}")
            for each in offers
            if each.is_priced
        ]

    @property
    def units(self) -> Units:
        found = self.cleaned_data
        return Units(
            prompt_tokens=found["tokens_in"] or 0,
            completion_tokens=found["tokens_out"] or 0,
            images=found["images"] or 0,
            characters=found["characters"] or 0,
            media_ms=(found["seconds"] or 0) * 1000,
            options=(found["size"],) if found["size"] else (),
        )


@require_safe
@tenancy.page(Permission.SEE_PRICES)
def model_page(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """Averages are of the calls that the member may see."""
    organization = tenant.organization
    balance = balance_of(organization.account_id)
    try:
        models = async_to_sync(_models)()
    except GatewayError:  # it never answered yet
        models = None
    chosen = sight.usage_of(tenant)
    offers = prices.offers(organization, models or (), balance, chosen)
    form = CalculatorForm(offers, request.GET if "offer" in request.GET else None)
    context: dict[str, Any] = {
        "offers": offers,
        "is_known": models is not None,
        "is_own": sight.sees_own_only(tenant),
        "days": prices.DAYS,
        "form": form,
    }
    if form.is_bound and form.is_valid():
        context |= _calculated(tenant, form, offers, balance)
    return frame.show(request, tenant, "models/models.html", context)


async def _models() -> list[dict[str, Any]]:
    """The gateway's own list, on its own loop and connections. Where there is no
    server, this loop ends with the page, and what it opened is closed."""
    try:
        return await catalogue.models()
    finally:
        if not hasattr(SyncToAsync.threadlocal, "main_event_loop"):
            await client.close()


def _calculated(
    tenant: Tenant, form: CalculatorForm, offers: list[Offer], balance: Balance
) -> dict[str, Any]:
    operation, _, model = form.cleaned_data["offer"].partition(" ")
    lately = next((each.lately for each in offers if each.model == model), None)
    try:
        found = prices.estimate(
            tenant.organization, balance, operation, model, form.units, lately
        )
    except UnpricedModel:  # the tariff was changed in between
        form.add_error("offer", "It has no price now.")
        return {}
    return {"estimate": found, "model": model}
