"""The list of keys; the pages that make, rotate and revoke one, and their forms.

A secret is in the answer to the POST that made it and nowhere else: to redirect to
it would mean to store it.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.cache import cache
from django.core.paginator import Paginator
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from billing.reports import spend
from portal.models import ApiKey, Project
from portal.pages.parts import frame, navigation
from portal.pages.parts.fields import NameField
from portal.tenants import audit, keys, tenancy
from portal.tenants.errors import HolderNotActive, KeyNotActive, ProjectNotActive
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

PAGE_SIZE = 50
TICKET_SECONDS = 86_400


class KeyForm(forms.Form):
    """A new key. `ticket` tells a reloaded page from a second wish."""

    LIFETIMES = (("", "Never"), ("30", "In 30 days"), ("90", "In 90 days"))

    name = NameField(
        help_text="Where the key will live: “checkout service”, “bob's laptop”.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    project = forms.ModelChoiceField(Project.objects.none(), empty_label=None)
    lifetime = forms.ChoiceField(
        label="Expires",
        choices=LIFETIMES,
        required=False,
        widget=forms.RadioSelect,
        initial="",
    )
    ticket = forms.CharField(
        max_length=64, widget=forms.HiddenInput, initial=secrets.token_urlsafe
    )

    def __init__(self, projects: QuerySet[Project], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = projects.filter(archived_at=None).order_by("-is_default", "name")
        self.fields["project"].queryset = choices  # type: ignore[attr-defined]


class RotateForm(forms.Form):
    """How long the old secret goes on working beside the new one. `seen` tells a form
    that was sent before, or that is older than another rotation."""

    OVERLAPS = (
        ("24", "24 hours — time to roll out the new secret"),
        ("1", "1 hour"),
        ("0", "Not at all — revoke it now, it may have leaked"),
    )

    overlap = forms.ChoiceField(
        label="The old secret goes on working for",
        choices=OVERLAPS,
        widget=forms.RadioSelect,
        initial="24",
    )
    seen = forms.IntegerField(widget=forms.HiddenInput)


@require_safe
@tenancy.page(*navigation.KEYS)
def key_list(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    found = (
        tenant.visible_keys()
        .select_related("project", "spender__holder")
        .order_by(F("revoked_at").asc(nulls_first=True), "-created_at", "pk")
    )
    shown = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    now = timezone.now()
    last_used = spend.last_used([key.spender_id for key in shown])
    rows = [
        {
            "key": key,
            "state": (state := keys.state_of(key, now)),
            "last_used": last_used.get(key.spender_id),
            "may_change": state == "active" and tenant.may_change(key),
        }
        for key in shown
    ]
    may_create = tenant.may(Permission.CREATE_KEYS)
    context = {"page": shown, "rows": rows, "may_create_keys": may_create}
    return frame.show(request, tenant, "keys/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(Permission.CREATE_KEYS)
@sensitive_variables()
def key_create(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    form = KeyForm(tenant.projects(), request.POST or None)
    if not form.is_valid():
        return frame.show(request, tenant, "keys/new.html", {"form": form})
    if not use_ticket(tenant, form.cleaned_data["ticket"]):
        messages.warning(request, "That key was made already. Its secret is gone.")
        return redirect("keys", tenant.organization.slug)
    days = form.cleaned_data["lifetime"]
    try:
        key, secret = keys.issue(
            form.cleaned_data["project"],
            form.cleaned_data["name"],
            actor=audit.actor_of(request),
            expires_at=timezone.now() + timedelta(days=int(days)) if days else None,
        )
    except ProjectNotActive as refusal:  # archived since the form was read
        messages.error(request, str(refusal))
        return redirect("keys", tenant.organization.slug)
    return show_secret(request, tenant, key=key, secret=secret)


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.KEYS)
@sensitive_variables()
def key_rotate(request: HttpRequest, tenant: Tenant, key_id: UUID) -> HttpResponse:
    key = changeable_key(tenant, key_id)
    form = RotateForm(request.POST or None, initial={"seen": key.spender_id})
    if not form.is_valid():
        context = {"form": form, "key": key}
        return frame.show(request, tenant, "keys/rotate.html", context)
    overlap = timedelta(hours=int(form.cleaned_data["overlap"]))
    try:
        if form.cleaned_data["seen"] != key.spender_id:
            raise KeyNotActive
        key, secret = keys.rotate(key, overlap, actor=audit.actor_of(request))
    except (KeyNotActive, HolderNotActive) as refusal:
        messages.error(request, str(refusal))
        return redirect("keys", tenant.organization.slug)
    replaced = keys.secrets_in_force(key)[1:]
    return show_secret(
        request, tenant, key=key, secret=secret, is_rotated=True, replaced=replaced
    )


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.KEYS)
def key_revoke(request: HttpRequest, tenant: Tenant, key_id: UUID) -> HttpResponse:
    key = changeable_key(tenant, key_id)
    if request.method != "POST":
        last_used = spend.last_used([key.spender_id]).get(key.spender_id)
        context = {"key": key, "last_used": last_used}
        return frame.show(request, tenant, "keys/revoke.html", context)
    keys.revoke(key, actor=audit.actor_of(request))
    messages.success(request, f"{key.name} is revoked: its next call is refused.")
    return redirect("keys", tenant.organization.slug)


@sensitive_variables()
def show_secret(request: HttpRequest, tenant: Tenant, **shown: Any) -> HttpResponse:
    """The one time that a secret is shown. `tenancy.page` says no-store."""
    context = {**shown, "base_url": f"{settings.PUBLIC_URL}/v1"}
    return frame.show(request, tenant, "keys/secret.html", context)


def changeable_key(tenant: Tenant, key_id: UUID) -> ApiKey:
    """Raises: Http404 for a key the member may not see, or may not change."""
    visible = tenant.visible_keys().select_related("project", "spender__holder")
    key = get_object_or_404(visible, pk=key_id)
    if not tenant.may_change(key):
        raise Http404
    return key


def use_ticket(tenant: Tenant, ticket: str) -> bool:
    """False when this very form was sent before: a reload must not make a new key."""
    sent = hashlib.sha256(ticket.encode()).hexdigest()
    return cache.add(f"key-form:{tenant.user.pk}:{sent}", 1, TICKET_SECONDS)
