"""Saved views of usage: the list, and the pages that save, change and delete one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from portal.models import SavedView
from portal.pages.parts import frame, navigation
from portal.pages.parts.fields import NameField
from portal.pages.usage import asked
from portal.tenants import audit, saved_views, tenancy
from portal.tenants.errors import PortalError
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant


class ViewForm(forms.Form):
    """The name of a view, and who sees it."""

    name = NameField(
        help_text="“This month by project”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    is_shared = forms.BooleanField(
        label="Share with the organization",
        help_text="Everybody in it sees the view, and in it what they may see.",
        required=False,
    )

    def __init__(self, tenant: Tenant, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not tenant.may(Permission.SEE_USAGE):
            del self.fields["is_shared"]

    @property
    def shares(self) -> bool:
        return bool(self.cleaned_data.get("is_shared"))


class NewViewForm(ViewForm):
    """With the query string that it stands for."""

    query = forms.CharField(required=False, widget=forms.HiddenInput, max_length=2000)


@require_safe
@tenancy.page(*navigation.USAGE)
def view_list(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """Their own, and what others share."""
    views = [
        {
            "view": view,
            "is_own": view.created_by_id == tenant.user.pk,
            "may_change": saved_views.may_change(tenant, view),
        }
        for view in saved_views.listed(tenant)
    ]
    return _show(request, tenant, "usage/views.html", {"views": views})


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.USAGE)
def view_save(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """Under a name, what the page of usage showed."""
    shown = {"query": asked.state_of(request.GET.get("query", ""))}
    form = NewViewForm(tenant, request.POST or None, initial=shown)
    if form.is_valid():
        query = asked.state_of(form.cleaned_data["query"])
        try:
            saved_views.save(
                tenant.organization,
                form.cleaned_data["name"],
                query,
                is_shared=form.shares,
                actor=audit.actor_of(request),
            )
        except (saved_views.NameTaken, saved_views.TooManyViews) as refusal:
            form.add_error("name", str(refusal))
        else:
            messages.success(request, "The view is saved.")
            return redirect(f"{_usage(tenant)}?{query}")
    return _show(request, tenant, "usage/view.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.USAGE)
def view_change(request: HttpRequest, tenant: Tenant, view_id: int) -> HttpResponse:
    """Its name, and whether it is shared."""
    view = _found(tenant, view_id)
    if view.deleted_at is not None:
        raise Http404
    shown = {"name": view.name, "is_shared": view.is_shared}
    form = ViewForm(tenant, request.POST or None, initial=shown)
    if form.is_valid():
        try:
            saved_views.change(
                view,
                form.cleaned_data["name"],
                is_shared=form.shares,
                actor=audit.actor_of(request),
            )
        except SavedView.DoesNotExist:
            messages.warning(request, "The view was deleted meanwhile.")
            return redirect("usage-views", tenant.organization.slug)
        except PortalError as refusal:
            form.add_error("name", str(refusal))
        else:
            messages.success(request, "The view is changed.")
            return redirect("usage-views", tenant.organization.slug)
    return _show(request, tenant, "usage/view.html", {"form": form, "view": view})


@tenancy.page(*navigation.USAGE)
@require_POST
def view_delete(request: HttpRequest, tenant: Tenant, view_id: int) -> HttpResponse:
    """A second click finds it deleted."""
    saved_views.delete(_found(tenant, view_id), actor=audit.actor_of(request))
    messages.success(request, "The view is deleted.")
    return redirect("usage-views", tenant.organization.slug)


def _found(tenant: Tenant, view_id: int) -> SavedView:
    """Raises: Http404 for what this person may not change, the same as for none."""
    view = get_object_or_404(SavedView, pk=view_id, organization=tenant.organization)
    if not saved_views.may_change(tenant, view):
        raise Http404
    return view


def _usage(tenant: Tenant) -> str:
    return reverse("usage", args=[tenant.organization.slug])


def _show(
    request: HttpRequest, tenant: Tenant, template: str, context: dict[str, Any]
) -> HttpResponse:
    return frame.show(request, tenant, template, context, current="usage")
