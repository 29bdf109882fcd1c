"""An organization's own settings: its name, its days, whether its replies are kept."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib import messages
from django.forms.models import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from billing import budgets
from billing.values.errors import AccountLocked
from portal.pages.parts import frame, navigation
from portal.pages.parts.fields import NameField, TimeZoneField
from portal.tenants import audit, organizations, tenancy
from portal.tenants.errors import OwnLimit
from portal.tenants.tenancy import Tenant


class OrganizationForm(forms.Form):
    """An organization's settings. Each field brings back what the page had shown, so
    that a page left open does not undo what somebody else has changed since."""

    name = NameField(
        help_text="Shown to its members.",
        show_hidden_initial=True,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    time_zone = TimeZoneField(
        label="Time zone",
        help_text="Where its days begin, on these pages and in its budgets: "
        "Europe/Berlin, UTC. To move gives a budget no more room.",
        max_length=64,
        show_hidden_initial=True,
        widget=forms.TextInput(attrs={"autocomplete": "off", "list": "time-zones"}),
    )
    stores_replies = forms.BooleanField(
        label="Keep replies for retries",
        help_text="For clients that lost an answer on its way, and ask again.",
        required=False,
        show_hidden_initial=True,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.SETTINGS)
def settings_page(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    organization = tenant.organization
    shown = model_to_dict(organization, ["name", "stores_replies"])
    shown["time_zone"] = organization.account.time_zone
    form = OrganizationForm(request.POST or None, initial=shown)
    if not form.is_valid():
        context = {
            "form": form,
            "time_zones": sorted(budgets.time_zones()),
            "replay_seconds": settings.REPLAY_SECONDS,
            "reply_bytes_max": settings.REPLAY_BYTES_MAX,
        }
        return frame.show(request, tenant, "settings/organization.html", context)
    changed = {field: form.cleaned_data[field] for field in form.changed_data}
    actor = audit.actor_of(request)
    try:
        is_changed = organizations.change(organization, actor=actor, **changed)
    except AccountLocked:
        messages.error(request, "Nothing was saved: the account is busy.")
        return redirect("settings", organization.slug)
    except OwnLimit as refusal:
        messages.error(request, f"Nothing was saved. {refusal}")
        return redirect("settings", organization.slug)
    if is_changed:
        messages.success(request, "The settings are saved.")
    else:
        messages.info(request, "Nothing was changed.")
    return redirect("settings", organization.slug)
