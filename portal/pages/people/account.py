"""Signing in, and the password, each with its form."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from portal.tenants import audit, limits


class SignInForm(AuthenticationForm):
    """One answer to an unknown address and to a wrong password."""

    error_messages = {  # noqa: RUF012  Django's own shape
        "invalid_login": "That e-mail address and password do not match.",
        "inactive": "That e-mail address and password do not match.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "E-mail address"
        self.fields["username"].widget.attrs.update(
            {"autocomplete": "username", "inputmode": "email", "autofocus": True}
        )


class SignIn(LoginView):
    """The same words for an unknown address, a wrong password and a closed account."""

    form_class = SignInForm
    template_name = "account/sign_in.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        name = request.POST.get("username", "")
        if not limits.allow(audit.address_of(request), name):
            answer = render(request, "account/too_many_attempts.html", status=429)
            answer["Retry-After"] = str(limits.WINDOW_SECONDS)
            return answer
        return super().post(request, *args, **kwargs)

    @transaction.atomic
    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        answer = super().form_valid(form)
        actor = audit.actor_of(self.request)
        audit.record("user.sign_in", actor=actor)
        limits.forget(actor.ip_address, self.request.POST["username"])
        return answer


@method_decorator(never_cache, name="dispatch")
class PasswordChange(PasswordChangeView):
    """A new password; every other session of the person ends with it."""

    template_name = "account/password.html"
    success_url = reverse_lazy("password")

    @transaction.atomic
    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        answer = super().form_valid(form)
        audit.record("user.change_password", actor=audit.actor_of(self.request))
        words = "Password changed. Your other sessions were signed out."
        messages.success(self.request, words)
        return answer
