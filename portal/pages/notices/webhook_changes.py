"""Making and changing webhooks. A secret is in the answer to the POST that made it, and
nowhere else."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from portal.models import WebhookEndpoint
from portal.models.webhook import URL_MAX
from portal.notices import by_hand, endpoints
from portal.notices.deliveries import Outcome
from portal.notices.endpoints import CHOICES, InvalidEndpoint, TooManyEndpoints, Wanted
from portal.notices.reach import WHY as WHY_NOT
from portal.pages.notices.snippet import VERIFY
from portal.pages.notices.webhooks import webhook_of
from portal.pages.parts import frame, navigation, tickets
from portal.pages.parts.fields import NameField
from portal.tenants import audit, tenancy
from portal.tenants.tenancy import Tenant


class WebhookForm(forms.Form):
    """What an endpoint is. Where the address leads the operation finds out."""

    name = NameField(widget=forms.TextInput(attrs={"autocomplete": "off"}))
    url = forms.CharField(
        label="Address",
        max_length=URL_MAX,
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
        help_text="It begins with https:// and is on the public internet.",
    )
    event_types = forms.MultipleChoiceField(
        label="Events",
        choices=[(name, name) for name in CHOICES],
        widget=forms.CheckboxSelectMultiple,
    )

    def wanted(self) -> Wanted:
        data = self.cleaned_data
        return Wanted(data["name"], data["url"], data["event_types"])


class CreateForm(WebhookForm):
    ticket = tickets.TicketField()


class RotateForm(forms.Form):
    keeps_old = forms.BooleanField(
        label="The old secret signs beside the new one for 24 hours",
        required=False,
        initial=True,
    )
    ticket = tickets.TicketField()


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.WEBHOOKS)
@sensitive_variables()
def webhook_create(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    form = CreateForm(request.POST or None)
    if form.is_valid():
        actor = audit.actor_of(request)
        create = partial(
            endpoints.create, tenant.organization, form.wanted(), actor=actor
        )
        try:
            made, secret = tickets.once_slowly(
                tenant.user.pk, form.cleaned_data["ticket"], create
            )
        except tickets.Used:
            messages.warning(request, "That webhook was made already.")
            return redirect("webhooks", tenant.organization.slug)
        except (InvalidEndpoint, TooManyEndpoints) as refusal:
            form.add_error(getattr(refusal, "field", None), str(refusal))
        else:
            return _show_secret(request, tenant, made, secret)
    return frame.show(request, tenant, "webhooks/new.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.WEBHOOKS)
def webhook_edit(
    request: HttpRequest, tenant: Tenant, endpoint_id: UUID
) -> HttpResponse:
    endpoint = webhook_of(tenant, endpoint_id)
    names = ("name", "url", "event_types")
    form = WebhookForm(
        request.POST or None, initial={name: getattr(endpoint, name) for name in names}
    )
    if form.is_valid():
        try:
            changed = endpoints.change(
                endpoint, form.wanted(), actor=audit.actor_of(request)
            )
        except InvalidEndpoint as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            messages.success(request, "Saved." if changed else "Nothing changed.")
            return _back(tenant, endpoint)
    context = {"form": form, "endpoint": endpoint}
    return frame.show(request, tenant, "webhooks/edit.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.WEBHOOKS)
@sensitive_variables()
def webhook_rotate(
    request: HttpRequest, tenant: Tenant, endpoint_id: UUID
) -> HttpResponse:
    endpoint = webhook_of(tenant, endpoint_id)
    form = RotateForm(request.POST or None)
    if form.is_valid():
        rotate = partial(
            endpoints.rotate_secret,
            endpoint,
            keeps_old=form.cleaned_data["keeps_old"],
            actor=audit.actor_of(request),
        )
        try:
            secret = tickets.once(tenant.user.pk, form.cleaned_data["ticket"], rotate)
        except tickets.Used:
            messages.warning(request, "It was rotated already. Its secret is gone.")
            return _back(tenant, endpoint)
        return _show_secret(request, tenant, endpoint, secret)
    context = {"form": form, "endpoint": endpoint}
    return frame.show(request, tenant, "webhooks/rotate.html", context)


@tenancy.page(*navigation.WEBHOOKS)
@require_POST
def webhook_change(
    request: HttpRequest, tenant: Tenant, endpoint_id: UUID
) -> HttpResponse:
    """Test, disable, enable or delete it."""
    endpoint = webhook_of(tenant, endpoint_id)
    change(request, endpoint)
    if request.POST.get("act") == "delete":
        return redirect("webhooks", tenant.organization.slug)
    return _back(tenant, endpoint)


def change(request: HttpRequest, endpoint: WebhookEndpoint) -> None:
    """What a button says, of any kind of endpoint. Raises: Http404, NotAllowed."""
    actor = audit.actor_of(request)
    match request.POST.get("act", ""):
        case "test":
            try:
                say_outcome(request, by_hand.send_test(endpoint, actor=actor))
            except by_hand.TooManyTests as refusal:
                messages.error(request, str(refusal))
        case "disable":
            endpoints.disable(endpoint, actor=actor)
            messages.success(request, "Disabled: nothing is sent there.")
        case "enable":
            endpoints.enable(endpoint, actor=actor)
            messages.success(request, "Enabled: what waited is sent now.")
        case "delete":
            endpoints.delete(endpoint, actor=actor)
            messages.success(request, f"{endpoint.name} is deleted.")
        case _:
            raise Http404


def say_outcome(request: HttpRequest, outcome: Outcome) -> None:
    if outcome.is_delivered:
        took = f"{outcome.status}, after {outcome.duration_ms} ms"
        messages.success(request, f"The test was taken: {took}.")
    elif outcome.status is not None:
        messages.error(request, f"The test was answered by {outcome.status}.")
    else:
        why = WHY_NOT.get(outcome.error, f"{outcome.error}.")
        messages.error(request, f"There was no answer: {why}")


def _show_secret(
    request: HttpRequest, tenant: Tenant, endpoint: WebhookEndpoint, secret: str
) -> HttpResponse:
    context: dict[str, Any] = {"endpoint": endpoint, "secret": secret, "verify": VERIFY}
    return frame.show(request, tenant, "webhooks/secret.html", context)


def _back(tenant: Tenant, endpoint: WebhookEndpoint) -> HttpResponse:
    return redirect("webhook", tenant.organization.slug, endpoint.pk)
