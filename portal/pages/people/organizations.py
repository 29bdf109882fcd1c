"""An organization of one's own, and another address for one's pages."""

from __future__ import annotations

from functools import partial

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from portal.pages.parts import frame, navigation, tickets
from portal.pages.parts.fields import NameField
from portal.tenants import audit, organizations, slugs, tenancy
from portal.tenants.errors import InvalidSlug, SlugTaken, TooManyOrganizations
from portal.tenants.tenancy import Tenant


class CreateForm(forms.Form):
    """A new organization."""

    name = NameField(
        help_text="Of your company, team or project. It can be changed later.",
        widget=forms.TextInput(
            attrs={"autocomplete": "organization", "autofocus": True}
        ),
    )
    ticket = tickets.TicketField()


class AddressForm(forms.Form):
    """It brings back the address that the page had shown: a page left open does not
    undo somebody else's change."""

    slug = forms.CharField(
        label="Address",
        max_length=slugs.LENGTH_MAX,
        help_text="Small letters, digits and hyphens: it is a part of every link.",
        show_hidden_initial=True,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def organization_create(request: HttpRequest) -> HttpResponse:
    """Missing where only the operator opens organizations."""
    if not organizations.may_create_own():
        raise Http404
    form = CreateForm(request.POST or None)
    actor = audit.actor_of(request)
    if form.is_valid():
        name = form.cleaned_data["name"]
        create = partial(organizations.create_own, name, actor=actor)
        try:
            made = tickets.once(
                request.user.pk or 0, form.cleaned_data["ticket"], create
            )
        except tickets.Used:
            messages.warning(request, "That organization was made already.")
            return redirect("home")
        except (TooManyOrganizations, IntegrityError) as refusal:
            is_full = isinstance(refusal, TooManyOrganizations)
            words = str(refusal) if is_full else "Please send it once more."
            form.add_error("name", words)
        else:
            messages.success(request, f"{made} is open, and you own it.")
            return redirect("overview", made.slug)
    return render(request, "home/new_organization.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.SETTINGS)
def address(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    organization = tenant.organization
    form = AddressForm(request.POST or None, initial={"slug": organization.slug})
    if form.is_valid():
        if not form.has_changed():
            messages.info(request, "Nothing was changed.")
            return redirect("settings", organization.slug)
        actor = audit.actor_of(request)
        try:
            organizations.change_slug(
                organization, form.cleaned_data["slug"], actor=actor
            )
        except (InvalidSlug, SlugTaken) as refusal:
            form.add_error("slug", str(refusal))
        else:
            messages.success(request, "The address is changed; old links lead here.")
            return redirect("settings", organization.slug)
    context = {"form": form, "former": organization.former_slugs.order_by("slug")}
    return frame.show(
        request, tenant, "settings/address.html", context, current="settings"
    )
