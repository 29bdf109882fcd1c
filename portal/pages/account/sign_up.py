"""Signing up by e-mail address, the code that proves it, and the first organization."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import ConfirmEmailVerificationCodeForm, SignupForm
from allauth.account.views import ConfirmEmailVerificationCodeView, SignupView
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.hashers import make_password
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from portal.models import SignUp as SignedUp
from portal.models import User
from portal.pages.account import fields
from portal.pages.account.guard import too_many
from portal.pages.parts.fields import NameField
from portal.signing_in import limits, sign_up
from portal.tenants import audit


class SignUpForm(SignupForm):
    """Who, and what the organization shall be called."""

    organization = NameField(
        label="Organization",
        help_text="Your company or team. You can change it later.",
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"] = fields.AddressField()
        self.fields["password1"] = fields.password("Password", is_new=True)
        self.order_fields(["email", "organization", "password1"])

    def try_save(self, request: HttpRequest) -> Any:
        """A known address costs a hash, too."""
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])
        return super().try_save(request)


class SignUp(SignupView):
    """Says the same to a known address: whoever reads its mail learns more."""

    form_class = SignUpForm
    template_name = "account/sign_up.html"
    template_name_signup_closed = "account/sign_up_closed.html"

    def get_form(self, form_class: Any = None) -> Any:
        form = super().get_form(form_class)
        invitation = sign_up.invitation_of(self.request)
        if not sign_up.makes_organizations(self.request):
            form.fields.pop("organization", None)
        if invitation is not None:  # an invitation is for one address
            form.fields["email"].initial = invitation.email
            form.fields["email"].disabled = True
        return form

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not limits.take(limits.SIGN_UP, limits.network_of(request)):
            return too_many(request)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        name = form.cleaned_data.get("organization", "")
        self.request.session[sign_up.NAME] = name
        return super().form_valid(form)


def is_own(url: str) -> bool:
    return url.startswith("/") and url_has_allowed_host_and_scheme(url, None)


class CodeForm(ConfirmEmailVerificationCodeForm):
    """The code that proves an address."""

    code = fields.code("Code", "Eight letters, such as BCDF-GHJK.")


class Code(ConfirmEmailVerificationCodeView):
    """A code was sent: of a new account, or of a new address."""

    form_class = CodeForm
    template_name = "account/code.html"


class OrganizationForm(forms.Form):
    """A newcomer's organization."""

    organization = NameField(
        label="Organization", help_text="Your company or team. You can change it later."
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def found(request: HttpRequest) -> HttpResponse:
    """For somebody who is in none, where sign-up is open."""
    user = request.user
    assert isinstance(user, User)
    if not sign_up.makes_organizations(request):
        raise Http404
    if user.memberships.exists():
        return redirect("home")
    if SignedUp.objects.filter(user=user).exists():  # and left it
        return redirect("organization-create")
    initial = {"organization": sign_up.default_name(user.name, user.email)}
    form = OrganizationForm(request.POST or None, initial=initial)
    if not form.is_valid():
        return render(request, "account/found.html", {"form": form})
    name = form.cleaned_data["organization"]
    made = sign_up.found(user, name, ip_address=audit.address_of(request))
    if made is None:
        messages.info(request, "You have made an organization already.")
    return redirect("home")
