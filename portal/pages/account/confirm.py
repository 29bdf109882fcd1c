"""Asked again who one is, before something that a borrowed laptop must not do."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import (
    ConfirmReauthenticationCodeForm,
    ReauthenticateForm,
)
from allauth.account.views import (
    ConfirmReauthenticationCodeView,
    ReauthenticateView,
    RequestReauthenticationCodeView,
)
from allauth.mfa.base.forms import ReauthenticateForm as ReauthenticateByCodeForm
from allauth.mfa.base.views import ReauthenticateView as ReauthenticateByFactorView
from allauth.mfa.webauthn.forms import ReauthenticateWebAuthnForm
from allauth.mfa.webauthn.views import ReauthenticateWebAuthnView
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from fido2.webauthn import AuthenticationResponse

from portal.pages.account import fields, passkey_options
from portal.pages.account.guard import too_many
from portal.pages.account.sign_in import check_code
from portal.signing_in import limits, methods
from portal.tenants import audit


class PasswordForm(ReauthenticateForm):
    """The password again."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"] = fields.password("Password")


class ByPassword(ReauthenticateView):
    """The password again."""

    form_class = PasswordForm
    template_name = "account/confirm.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not limits.allow_password(request, audit.actor_of(request).label):
            return too_many(request)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        limits.forget_password(self.request, self.request.user.email)
        return super().form_valid(form)


class FactorForm(ReauthenticateByCodeForm):
    """A code of the app, or a recovery code."""

    code = fields.code("Code", "From your authenticator app, or a recovery code.")

    def clean_code(self) -> str:
        return check_code(self, super().clean_code)


class ByFactor(ReauthenticateByFactorView):
    """A code of the app, or a recovery code."""

    form_class = FactorForm
    template_name = "account/confirm.html"

    def form_invalid(self, form: Any) -> HttpResponse:
        methods.record_failure(self.request, "code", self.request.user.email)
        return super().form_invalid(form)


class PasskeyForm(ReauthenticateWebAuthnForm):
    """A passkey again."""

    credential = fields.PasskeyField(AuthenticationResponse)


class ByPasskey(ReauthenticateWebAuthnView):
    """A passkey again."""

    form_class = PasskeyForm
    template_name = "account/confirm_passkey.html"

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        context = super().get_context_data(**more)
        return passkey_options.shown_in(context, "request_options")

    def form_invalid(self, form: forms.Form) -> HttpResponse:
        methods.record_failure(self.request, "passkey", self.request.user.email)
        messages.error(self.request, "That passkey is not one of yours.")
        return redirect(self.request.get_full_path())


class AskForCode(RequestReauthenticationCodeView):
    """For an account with nothing else: a code by mail."""

    template_name = "account/confirm_ask.html"


class CodeForm(ConfirmReauthenticationCodeForm):
    """The code of the mail."""

    code = fields.code("Code", "Eight letters, such as BCDF-GHJK.")


class ByMail(ConfirmReauthenticationCodeView):
    """The code of the mail."""

    form_class = CodeForm
    template_name = "account/confirm.html"

    def form_invalid(self, form: Any) -> HttpResponse:
        methods.record_failure(self.request, "mail", self.request.user.email)
        return super().form_invalid(form)
