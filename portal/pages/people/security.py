"""What an organization asks of its members' accounts: a second factor."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from portal.pages.parts import frame, navigation
from portal.tenants import audit, second_factor, security, tenancy
from portal.tenants.errors import NoSecondFactor
from portal.tenants.tenancy import Tenant


class SecurityForm(forms.Form):
    """It brings back what the page had shown: an old page undoes nobody's change."""

    requires_mfa = forms.BooleanField(
        label="Require a second factor",
        help_text="Members without one are led to add one, and see no page of this"
        " organization before. API keys go on working.",
        required=False,
        show_hidden_initial=True,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@tenancy.page(*navigation.SECURITY)
def security_page(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    organization = tenant.organization
    shown = {"requires_mfa": organization.requires_mfa}
    form = SecurityForm(request.POST or None, initial=shown)
    if not form.is_valid():
        return _show(request, tenant, form)
    if not form.changed_data:
        messages.info(request, "Nothing was changed.")
        return redirect("security", organization.slug)
    wanted = form.cleaned_data["requires_mfa"]
    try:
        security.require_mfa(organization, wanted, actor=audit.actor_of(request))
    except NoSecondFactor as refusal:
        form.add_error("requires_mfa", str(refusal))
        return _show(request, tenant, form)
    messages.success(request, "The settings are saved.")
    return redirect("security", organization.slug)


def _show(request: HttpRequest, tenant: Tenant, form: forms.Form) -> HttpResponse:
    members = tenant.organization.memberships.filter(disabled_at=None)
    with_one = second_factor.count(members.values("user_id"))
    context = {"form": form, "members": members.count(), "with_one": with_one}
    return frame.show(request, tenant, "security/security.html", context)
