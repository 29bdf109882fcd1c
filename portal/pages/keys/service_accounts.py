"""Service accounts: holders of keys that are no persons."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from portal.models import ServiceAccount
from portal.pages.parts import frame
from portal.pages.parts.fields import NameField
from portal.tenants import audit, service_accounts, tenancy
from portal.tenants.errors import PortalError
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant


class AccountForm(forms.Form):
    """Its name."""

    name = NameField(widget=forms.TextInput(attrs={"autocomplete": "off"}))


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(Permission.MANAGE_SERVICE_ACCOUNTS)
def account_list(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    form = AccountForm(request.POST or None)
    if form.is_valid():
        name, actor = form.cleaned_data["name"], audit.actor_of(request)
        try:
            service_accounts.create(tenant.organization, name, actor=actor)
        except PortalError as refusal:
            form.add_error("name", str(refusal))
        else:
            messages.success(request, f"{name} is made: give it a key.")
            return redirect("service-accounts", tenant.organization.slug)
    return _show(request, tenant, form=form)


def _show(request: HttpRequest, tenant: Tenant, **context: Any) -> HttpResponse:
    is_known = Q(api_keys__revoked_at=None, api_keys__spender__parent=None)
    found = tenant.organization.service_accounts.select_related("created_by")
    accounts = found.annotate(keys=Count("api_keys", filter=is_known)).order_by("name")
    return frame.show(
        request,
        tenant,
        "keys/service_accounts.html",
        {"accounts": accounts, **context},
        current="service-accounts",
    )


@tenancy.page(Permission.MANAGE_SERVICE_ACCOUNTS)
@require_POST
def account_change(
    request: HttpRequest, tenant: Tenant, account_id: int
) -> HttpResponse:
    """Rename it, disable it, enable it; twice is once."""
    account = get_object_or_404(tenant.organization.service_accounts, pk=account_id)
    actor = audit.actor_of(request)
    match request.POST.get("act", ""):
        case "disable":
            service_accounts.disable(account, actor=actor)
            words = f"{account.name} is disabled: its keys are refused."
        case "enable":
            service_accounts.enable(account, actor=actor)
            words = f"{account.name} is enabled: its keys work again."
        case "rename":
            form = AccountForm(request.POST)
            if refused := _rename(form, account, actor):
                return _show(
                    request, tenant, form=AccountForm(), renamed=account, wrong=refused
                )
            words = f"It is called {account.name} from now on."
        case _:
            raise Http404
    messages.success(request, words)
    return redirect("service-accounts", tenant.organization.slug)


def _rename(
    form: AccountForm, account: ServiceAccount, actor: audit.Actor
) -> AccountForm | None:
    """The form with what is wrong, if it is."""
    if form.is_valid():
        try:
            service_accounts.rename(account, form.cleaned_data["name"], actor=actor)
            return None
        except PortalError as refusal:
            form.add_error("name", str(refusal))
    return form
