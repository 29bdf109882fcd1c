"""Changing, setting and resetting one's password."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import (
    ChangePasswordForm,
    ConfirmPasswordResetCodeForm,
    ResetPasswordForm,
    ResetPasswordKeyForm,
    SetPasswordForm,
)
from allauth.account.views import (
    CompletePasswordResetView,
    ConfirmPasswordResetCodeView,
    PasswordChangeView,
    PasswordResetView,
    PasswordSetView,
)
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy

from portal.pages.account import fields
from portal.pages.account.guard import too_many
from portal.signing_in import devices, limits, methods
from portal.tenants import audit


class NewPassword(forms.Form):
    """Typed once: whoever mistypes resets it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"] = fields.password("New password", is_new=True)
        self.fields.pop("password2", None)

    def clean_password1(self) -> str:
        text: str = self.cleaned_data["password1"]
        validate_password(text)
        return text


class ChangeForm(NewPassword, ChangePasswordForm):
    """The old one first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["oldpassword"] = fields.password("Old password")
        self.order_fields(["oldpassword", "password1"])


class SetForm(NewPassword, SetPasswordForm):
    """For an account that has none, having come by single sign-on."""


class ResetForm(NewPassword, ResetPasswordKeyForm):
    """After the code."""


class AskForm(ResetPasswordForm):
    """Whose password."""

    email = fields.AddressField()


class AskedCodeForm(ConfirmPasswordResetCodeForm):
    """The code of the mail."""

    code = fields.code("Code", "Eight letters, such as BCDF-GHJK.")


class Change(PasswordChangeView):
    """Every other session of the person ends."""

    form_class = ChangeForm
    template_name = "account/password.html"
    success_url = reverse_lazy("account")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not limits.allow_password(request, audit.actor_of(request).label):
            return too_many(request)
        return super().post(request, *args, **kwargs)

    def get_success_url(self) -> str:
        return str(self.success_url)

    def form_invalid(self, form: Any) -> HttpResponse:
        if "oldpassword" in form.errors:
            methods.record_failure(self.request, "password", self.request.user.email)
        return super().form_invalid(form)

    def form_valid(self, form: Any) -> HttpResponse:
        limits.forget_password(self.request, form.user.email)
        answer: HttpResponse = super().form_valid(form)
        devices.remember(self.request, answer, form.user)
        return answer


class Set(PasswordSetView):
    """The same for an account without one."""

    form_class = SetForm
    template_name = "account/password.html"

    def get_success_url(self) -> str:
        return str(reverse_lazy("account"))

    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        devices.remember(self.request, answer, form.user)
        return answer


class Reset(PasswordResetView):
    """Says the same to an unknown address, and mails something to it as well."""

    form_class = AskForm
    template_name = "account/reset.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not limits.take(limits.NETWORK, limits.network_of(request)):
            return too_many(request)
        return super().post(request, *args, **kwargs)


class ResetCode(ConfirmPasswordResetCodeView):
    """The code of the mail."""

    form_class = AskedCodeForm
    template_name = "account/reset_code.html"

    def form_invalid(self, form: Any) -> HttpResponse:
        methods.record_failure(self.request, "mail", self._process.state["email"])
        return super().form_invalid(form)


class ResetNew(CompletePasswordResetView):
    """The new password; a second factor is asked for after it."""

    form_class = ResetForm
    template_name = "account/reset_new.html"
