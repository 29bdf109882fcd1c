"""Chats that are told of alerts: Slack's and Teams' incoming webhooks."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from portal.models import EndpointKind
from portal.models.webhook import URL_MAX
from portal.notices import alerts, endpoints
from portal.notices.endpoints import InvalidEndpoint, TooManyEndpoints, Wanted
from portal.pages.notices.webhook_changes import change
from portal.pages.parts import frame, navigation, tickets
from portal.pages.parts.fields import NameField
from portal.tenants import audit, tenancy
from portal.tenants.tenancy import Tenant

CHATS = [(EndpointKind.SLACK.value, "Slack"), (EndpointKind.TEAMS.value, "Teams")]


class ChatForm(forms.Form):
    """A chat's address is a secret: whoever knows it may write there."""

    kind = forms.ChoiceField(label="Chat", choices=CHATS, widget=forms.RadioSelect)
    name = NameField(widget=forms.TextInput(attrs={"autocomplete": "off"}))
    url = forms.CharField(
        label="Address of its incoming webhook",
        max_length=URL_MAX,
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
        help_text="It is kept encrypted, and not shown again.",
    )
    kinds = forms.MultipleChoiceField(
        label="Alerts",
        choices=[(kind.name, kind.label) for kind in alerts.KINDS],
        widget=forms.CheckboxSelectMultiple,
        initial=[kind.name for kind in alerts.KINDS],
    )
    ticket = tickets.TicketField()

    def wanted(self) -> Wanted:
        data = self.cleaned_data
        chosen = [alerts.BY_NAME[name] for name in data["kinds"]]
        types = [type for kind in chosen for type in kind.types]
        return Wanted(data["name"], data["url"], types)


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.ALERTS)
@sensitive_variables()
def chat_create(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    form = ChatForm(request.POST or None)
    slug = tenant.organization.slug
    if form.is_valid():
        create = partial(
            endpoints.create,
            tenant.organization,
            form.wanted(),
            actor=audit.actor_of(request),
            kind=form.cleaned_data["kind"],
        )
        try:
            tickets.once_slowly(tenant.user.pk, form.cleaned_data["ticket"], create)
        except tickets.Used:
            messages.warning(request, "That chat was added already.")
            return redirect("alerts", slug)
        except (InvalidEndpoint, TooManyEndpoints) as refusal:
            field = getattr(refusal, "field", None)
            form.add_error("kinds" if field == "event_types" else field, str(refusal))
        else:
            messages.success(request, "The chat is told of alerts from now on.")
            return redirect("alerts", slug)
    return frame.show(request, tenant, "alerts/new_chat.html", {"form": form})


@tenancy.page(*navigation.ALERTS)
@require_POST
def chat_change(request: HttpRequest, tenant: Tenant, chat_id: UUID) -> HttpResponse:
    """Test, disable, enable or delete it."""
    kinds = [kind for kind, _ in CHATS]
    found = endpoints.of_organization(tenant.organization.pk, *kinds)
    chat = get_object_or_404(found.select_related("organization"), pk=chat_id)
    change(request, chat)
    return redirect("alerts", tenant.organization.slug)
