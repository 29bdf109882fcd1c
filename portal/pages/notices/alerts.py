"""Alerts: of what people are told, in which chats, and what was mailed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from portal.models import EndpointKind, NoticeMail
from portal.notices import alerts, by_hand, endpoints
from portal.notices.alerts import KINDS, InvalidAlert, Setting
from portal.pages.parts import frame, navigation, tables
from portal.pages.parts.fields import CreditsField
from portal.pages.parts.tables import Column, Kind, Table
from portal.tenants import audit, tenancy
from portal.tenants.tenancy import Tenant

MAILS = Table(
    name="mails",
    caption="What was mailed, the latest first",
    columns=(
        Column("type", "Alert", "event.type", Kind.CODE),
        Column("address", "To", "address"),
        Column("state", "State", "state"),
        Column("created", "When", "created_at", Kind.AGO, order="id"),
    ),
    sort="-created",
    empty="Nothing was mailed yet.",
)


class AlertsForm(forms.Form):
    """A switch for each kind, and what is low."""

    low_micros = CreditsField(
        label="Credits are low below",
        help_text="Leave it empty to go by the days alone.",
    )
    low_days = forms.IntegerField(
        label="or when they last for less than so many days",
        min_value=0,
        max_value=alerts.DAYS_MAX,
        help_text="At the pace of the last days. 0: go by the amount alone.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for kind in KINDS:
            roles = ", ".join(f"{role}s" for role in kind.roles)
            self.fields[kind.name] = forms.BooleanField(
                label=kind.label,
                required=False,
                help_text=f"To {roles.replace('billings', 'billing')}"
                + (" and whom it binds." if kind.tells_holder else "."),
            )

    def switches(self) -> list[Any]:
        return [self[kind.name] for kind in KINDS]

    def wanted(self, name: str) -> Setting:
        data = self.cleaned_data
        if name != "balance":
            return Setting(data[name])
        return Setting(data[name], data["low_micros"], data["low_days"])


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.ALERTS)
def alerts_page(request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
    organization = tenant.organization
    settings = alerts.settings_of(organization.pk)
    balance = settings["balance"]
    shown: dict[str, Any] = {name: each.is_on for name, each in settings.items()}
    shown |= {"low_micros": balance.low_micros, "low_days": balance.low_days}
    form = AlertsForm(request.POST or None, initial=shown)
    if form.is_valid() and _saved(request, tenant, form):
        return redirect("alerts", organization.slug)
    mails = NoticeMail.objects.filter(organization=organization)
    found = mails.select_related("event")
    if tables.wants_csv(request):
        return MAILS.csv(request, found)
    chats = (EndpointKind.SLACK, EndpointKind.TEAMS)
    context = {
        "form": form,
        "chats": endpoints.of_organization(organization.pk, *chats).order_by("name"),
        "listing": MAILS.show(request, found),
    }
    return frame.show(request, tenant, "alerts/alerts.html", context)


def _saved(request: HttpRequest, tenant: Tenant, form: AlertsForm) -> bool:
    actor, changed = audit.actor_of(request), False
    try:
        for kind in KINDS:
            wanted = form.wanted(kind.name)
            changed |= alerts.change(
                tenant.organization, kind.name, wanted, actor=actor
            )
    except InvalidAlert as refusal:
        form.add_error(None, str(refusal))
        return False
    messages.success(request, "Saved." if changed else "Nothing was changed.")
    return True


@tenancy.page(*navigation.ALERTS)
@require_POST
def alerts_test(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """A mail to whoever asks for it, by the way that alerts go."""
    if by_hand.mail_test(tenant.organization, actor=audit.actor_of(request)):
        messages.success(request, f"A test is on its way to {tenant.user.email}.")
    else:
        messages.error(request, "You had as many tests as there are in an hour.")
    return redirect("alerts", tenant.organization.slug)
