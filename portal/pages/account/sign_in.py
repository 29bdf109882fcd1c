"""Signing in by password, passkey or identity provider; the second factor; signing
out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from allauth.account.forms import LoginForm
from allauth.account.views import LoginView, LogoutView
from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm, LoginWebAuthnForm
from allauth.mfa.webauthn.views import LoginWebAuthnView
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from fido2.webauthn import AuthenticationResponse

from portal.pages.account import fields, passkey_options
from portal.pages.account.guard import too_many
from portal.signing_in import limits, methods, sign_up


class SignInForm(LoginForm):
    """One answer to an unknown address and to a wrong password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"] = fields.AddressField()
        self.fields["login"].widget.attrs["autofocus"] = True
        self.fields["password"] = fields.password("Password")
        self.order_fields(["login", "password"])


class SignIn(LoginView):
    """The same words for an unknown address, a wrong password and a closed account."""

    form_class = SignInForm
    template_name = "account/sign_in.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not limits.allow_password(request, request.POST.get("login", "")):
            return too_many(request)
        return super().post(request, *args, **kwargs)

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        return super().get_context_data(
            **more,
            is_open=sign_up.is_open(self.request),
            sso_name=settings.OIDC_NAME if settings.OIDC_ISSUER else "",
            passkeys_elsewhere=passkey_options.elsewhere(self.request),
        )


class SignOut(LogoutView):
    """By POST only, and again without harm. It also lets go of a sign-in half-way."""

    http_method_names: ClassVar[list[str]] = ["post", "options"]


class PasskeySignInForm(LoginWebAuthnForm):
    """In place of a password and a second factor."""

    credential = fields.PasskeyField(AuthenticationResponse)


class PasskeySignIn(LoginWebAuthnView):
    """GET from a script: a challenge. POST: the passkey's answer to it."""

    form_class = PasskeySignInForm

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not limits.take(limits.BEGINNINGS, limits.network_of(request)):
            return too_many(request)
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not limits.take(limits.NETWORK, limits.network_of(request)):
            return too_many(request)
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: forms.Form) -> HttpResponse:
        methods.record_failure(self.request, "passkey", "")
        messages.error(self.request, "That passkey does not open an account here.")
        return redirect("sign-in")


class SecondFactorForm(AuthenticateForm):
    """A code of the app, or one of the recovery codes; each once."""

    code = fields.code("Code", "From your authenticator app, or a recovery code.")

    def clean_code(self) -> str:
        return check_code(self, super().clean_code)


class PasskeyFactorForm(AuthenticateWebAuthnForm):
    """A passkey after the password."""

    credential = fields.PasskeyField(AuthenticationResponse)


class SecondFactor(AuthenticateView):
    """After the password: a code, or a passkey."""

    form_class = SecondFactorForm
    webauthn_form_class = PasskeyFactorForm
    template_name = "account/second_factor.html"

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        context = super().get_context_data(**more)
        return passkey_options.shown_in(context, "request_options")

    def form_invalid(self, form: forms.Form) -> HttpResponse:
        user = self.stage.login.user
        kind = "code" if "code" in form.fields else "passkey"
        methods.record_failure(self.request, kind, user.email)
        return super().form_invalid(form)


def check_code(form: Any, check: Callable[[], str]) -> str:
    """Count the try before the check; and let no code open twice, on any process."""
    request = context.request
    if not limits.allow_code(request, form.user):
        raise forms.ValidationError("Too many wrong codes. Wait a quarter of an hour.")
    code = check()
    digits = "".join(c for c in code.lower() if c.isalnum())
    if not limits.take(limits.CODE_ONCE, form.user.pk, digits):
        raise forms.ValidationError("That code was used already: wait for the next.")
    limits.forget_code(request, form.user)
    return code
