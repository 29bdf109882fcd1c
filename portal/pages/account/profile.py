"""The account page: one's name and address, how one signs in, where one is."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import AddEmailForm
from allauth.account.views import EmailView
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from portal.models import Membership, User
from portal.pages.account import fields, passkey_options
from portal.pages.account.factors import kinds_of
from portal.pages.account.guard import too_many
from portal.pages.parts.fields import NameField
from portal.signing_in import clients, limits, people, sessions
from portal.tenants import audit, heirs, members
from portal.tenants.errors import LastOwner


class ProfileForm(forms.Form):
    """What others call one."""

    name = NameField(
        label="Name",
        required=False,
        help_text="Shown to the members of your organizations.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def account(request: HttpRequest) -> HttpResponse:
    user = person(request)
    form = ProfileForm(request.POST or None, initial={"name": user.name})
    if form.is_valid():
        people.rename(user, form.cleaned_data["name"], actor=audit.actor_of(request))
        messages.success(request, "Your name is saved.")
        return redirect("account")
    context = {
        "form": form,
        "memberships": memberships_of(user),
        "sessions": shown_sessions(request, user),
        "passkeys_elsewhere": passkey_options.elsewhere(request),
        **kinds_of(user),
    }
    return render(request, "account/account.html", context)


@require_POST
@login_required
def end_session(request: HttpRequest) -> HttpResponse:
    """One of them, or all but this one."""
    actor = audit.actor_of(request)
    name = request.POST.get("session", "")
    if name and sessions.end(name, actor=actor):
        messages.success(request, "That session is signed out.")
    elif name:
        messages.info(request, "That session had ended already.")
    else:
        sessions.end_others(request.session.session_key, actor=actor)
        messages.success(request, "All your other sessions are signed out.")
    return redirect("account")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def leave(request: HttpRequest, slug: str) -> HttpResponse:
    """Asks first: the keys that one holds are revoked for good."""
    membership = get_object_or_404(
        Membership.objects.select_related("organization"),
        organization__slug=slug,
        user=person(request),
    )
    organization = membership.organization
    if request.method != "POST":
        context = {"organization_left": organization, "keys": held_keys(membership)}
        return render(request, "account/leave.html", context)
    try:
        members.remove(membership, actor=audit.actor_of(request))
    except LastOwner as refusal:
        messages.error(request, f"You are still a member. {refusal}")
        return redirect("account")
    messages.success(request, f"You have left {organization.name}.")
    return redirect("account")


class AddressForm(AddEmailForm):
    """Another address."""

    email = fields.AddressField(label="New e-mail address")


class Address(EmailView):
    """Another address: it counts once a code was sent there and came back."""

    form_class = AddressForm
    template_name = "account/email.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Only the change of it, whatever else the library could do."""
        if not limits.take(limits.MAIL_CHANGE, person(request).pk):
            return too_many(request)
        form = self.get_form()
        answer: HttpResponse = (
            self.form_valid(form) if form.is_valid() else self.form_invalid(form)
        )
        return answer

    def get_success_url(self) -> str:
        return reverse("account_email_verification_sent")


def person(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "a view for signed-in people only"
    return request.user


def memberships_of(user: User) -> Any:
    found = Membership.objects.filter(user=user, disabled_at=None)
    return found.select_related("organization").order_by("organization__name", "pk")


def held_keys(membership: Membership) -> int:
    """How many keys are revoked when the member leaves."""
    return heirs.held_by(membership).count()


def shown_sessions(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    """This one first."""
    current = request.session.session_key
    rows = [
        {
            "name": sessions.name_of(session),
            "client": clients.name_of(session.client),
            "address": session.address,
            "signed_in_at": session.signed_in_at,
            "seen_at": session.seen_at,
            "is_this": session.session_key == current,
        }
        for session in sessions.of(user)[:50]
    ]
    return sorted(rows, key=lambda row: not row["is_this"])
