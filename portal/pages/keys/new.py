"""Making a key: its secret is shown once, ready to be used, and the page says when the
first call was seen.

A secret is in the answer to the POST that made it and nowhere else: to redirect to
it would mean to store it.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from billing.reports.last_calls import first_call
from portal.models import ApiKey, Project
from portal.pages.keys import snippets
from portal.pages.keys.forms import KeyForm
from portal.pages.parts import frame, navigation, tickets
from portal.tenants import audit, keys, new_keys, tenancy
from portal.tenants.errors import HolderNotActive, PortalError, ProjectNotActive
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(Permission.CREATE_KEYS)
@sensitive_variables()
def key_create(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    form = form_of(tenant, request.POST or None)
    if not form.is_valid():
        return frame.show(request, tenant, "keys/new.html", {"form": form})
    issue = partial(
        new_keys.issue,
        form.cleaned_data["project"],
        form.cleaned_data["name"],
        actor=audit.actor_of(request),
        holder=form.cleaned_data.get("holder"),
        expires_at=form.cleaned_data["expires_at"],
        limits=form.limits(),
    )
    try:
        key, secret = tickets.once(tenant.user.pk, form.cleaned_data["ticket"], issue)
    except tickets.Used:
        messages.warning(request, "That key was made already. Its secret is gone.")
        return redirect("keys", tenant.organization.slug)
    except (ProjectNotActive, HolderNotActive) as refusal:  # since the form was read
        messages.error(request, str(refusal))
        return redirect("keys", tenant.organization.slug)
    except PortalError as refusal:
        form.add_error(None, str(refusal))
        return frame.show(request, tenant, "keys/new.html", {"form": form})
    return show_secret(request, tenant, key, secret)


def form_of(tenant: Tenant, data: Any) -> KeyForm:
    accounts = tenant.organization.service_accounts.filter(disabled_at=None)
    is_allowed = tenant.may(Permission.MANAGE_SERVICE_ACCOUNTS)
    return KeyForm(
        projects_of(tenant),
        accounts.order_by("name") if is_allowed else None,
        frame.zone_of(tenant),
        data,
    )


def projects_of(tenant: Tenant) -> QuerySet[Project]:
    """In which the person may make keys."""
    active = tenant.projects().filter(archived_at=None)
    return active.order_by("-is_default", "name")


@sensitive_variables()
def show_secret(
    request: HttpRequest, tenant: Tenant, key: ApiKey, secret: str, **shown: Any
) -> HttpResponse:
    """The one time that a secret is shown. `tenancy.page` says no-store."""
    model = snippets.model_for(key)
    context = {
        **shown,
        "key": key,
        "secret": secret,
        "model": model,
        "tabs": snippets.tabs(f"{settings.PUBLIC_URL}/v1", secret, model),
    }
    return frame.show(request, tenant, "keys/secret.html", context)


@require_safe
@tenancy.page(*navigation.KEYS)
def key_seen(request: HttpRequest, tenant: Tenant, key_id: UUID) -> HttpResponse:
    """Whether the key's newest secret was used already: a part that is polled, and a
    page of its own for who has no script."""
    visible = tenant.visible_keys().select_related("project", "spender")
    key = get_object_or_404(visible, pk=key_id)
    secret = keys.secrets_in_force(key)[:1]
    call = None
    if secret:
        call = first_call(
            tenant.organization.account_id,
            [each.spender_id for each in secret],
            secret[0].created_at,
        )
    context = {"key": key, "call": call, "organization": tenant.organization}
    if request.GET.get("part"):
        return render(request, "keys/seen_part.html", context)
    return frame.show(request, tenant, "keys/seen.html", context)
