"""One's second factors: an authenticator app, passkeys, recovery codes."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import (
    GenerateRecoveryCodesView,
    ViewRecoveryCodesView,
)
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.forms import AddWebAuthnForm, EditWebAuthnForm
from allauth.mfa.webauthn.internal import auth
from allauth.mfa.webauthn.views import (
    AddWebAuthnView,
    EditWebAuthnView,
    RemoveWebAuthnView,
)
from django import forms
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.views.decorators.http import require_safe
from fido2.webauthn import RegistrationResponse

from portal.models import User
from portal.pages.account import fields, passkey_options
from portal.pages.account.sign_in import check_code
from portal.pages.account.sign_up import is_own
from portal.pages.parts.fields import NameField
from portal.tenants import audit, second_factor

# In a session: where somebody wanted to go whose second factor was missing.
WANTED = "wanted_before_second_factor"


class AppForm(ActivateTOTPForm):
    """The first code proves that the app has the secret."""

    code = fields.code("Code", "The six digits that the app shows now.")

    def clean_code(self) -> str:
        return check_code(self, super().clean_code)


class AddApp(ActivateTOTPView):
    """A picture for the app's camera, and the secret for its keyboard."""

    form_class = AppForm
    template_name = "account/app.html"

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        record(self, "user.add_app")
        return answer

    def get_success_url(self) -> str:
        return after_adding(self)


class RemoveApp(DeactivateTOTPView):
    """Asks first."""

    template_name = "account/app_remove.html"
    success_url = reverse_lazy("account")

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        record(self, "user.remove_app")
        return answer


class PasskeyForm(AddWebAuthnForm):
    """A passkey that signs in by itself: the device has asked for a finger or a PIN."""

    name = NameField(
        label="Name",
        required=False,
        help_text="So that you know it again: work laptop, phone.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    credential = fields.PasskeyField(RegistrationResponse)


class AddPasskey(AddWebAuthnView):
    """By a script: a browser has no other way."""

    form_class = PasskeyForm
    template_name = "account/passkey.html"

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        context = super().get_context_data(**more)
        options = auth.begin_registration(self.request.user, passwordless=True)
        context["js_data"] = {"creation_options": options}
        context["passkeys_elsewhere"] = passkey_options.elsewhere(self.request)
        return passkey_options.shown_in(context, "creation_options")

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        name = form.cleaned_data["name"]
        record(self, "user.add_passkey", name=name)
        return answer

    def get_success_url(self) -> str:
        return after_adding(self)


class RemovePasskey(RemoveWebAuthnView):
    """Asks first."""

    template_name = "account/passkey_remove.html"

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        name = self.object.wrap().name
        answer: HttpResponse = super().form_valid(form)
        record(self, "user.remove_passkey", name=name)
        return answer

    def get_success_url(self) -> str:
        return reverse("account")


class RenameForm(EditWebAuthnForm):
    """Another name for a passkey."""

    name = NameField(
        label="Name", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )


class RenamePasskey(EditWebAuthnView):
    """So that one knows which is which."""

    form_class = RenameForm
    template_name = "account/passkey_rename.html"

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        record(self, "user.rename_passkey", name=form.cleaned_data["name"])
        return answer

    def get_success_url(self) -> str:
        return reverse("account")


class RecoveryCodes(ViewRecoveryCodesView):
    """Shown once, after they were made; then only how many are left."""

    template_name = "account/recovery_codes.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            answer: HttpResponse = super().get(request, *args, **kwargs)
        except Http404:  # none were made, because nothing is there to stand in for
            return redirect("account")
        return answer

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        wanted = self.request.session.get(WANTED)
        return super().get_context_data(**more, wanted=wanted)


class NewRecoveryCodes(GenerateRecoveryCodesView):
    """Those of before open nothing any more."""

    template_name = "account/recovery_codes_new.html"

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        record(self, "user.new_recovery_codes")
        return answer


@require_safe
@login_required
def needed(request: HttpRequest) -> HttpResponse:
    """An organization wants a second factor of its members: here is how to get one."""
    user = request.user
    assert isinstance(user, User)
    wanted = request.GET.get("next", "")
    if second_factor.has_one(user):
        return redirect(wanted if is_own(wanted) else "home")
    if is_own(wanted):
        request.session[WANTED] = wanted
    context = {"passkeys_elsewhere": passkey_options.elsewhere(request)}
    return render(request, "account/second_factor_needed.html", context)


def record(view: Any, action: str, **detail: Any) -> None:
    """In the transaction of the change, which the view's `form_valid` is."""
    actor = audit.actor_of(view.request)
    audit.record_of_person(action, actor.user, actor=actor, **detail)


def after_adding(view: Any) -> str:
    """On to the recovery codes, if they were made now; else back."""
    if view.did_generate_recovery_codes:
        return reverse("mfa_view_recovery_codes")
    wanted = view.request.session.pop(WANTED, "")
    return wanted if is_own(wanted) else reverse("account")


def kinds_of(user: User) -> dict[str, Any]:
    """What the account page shows of the person's second factors."""
    found = list(Authenticator.objects.filter(user_id=user.pk).order_by("pk"))
    by_type = {each.type: each for each in found}
    codes = by_type.get(Authenticator.Type.RECOVERY_CODES)
    return {
        "app": by_type.get(Authenticator.Type.TOTP),
        "passkeys": [
            {"row": each, "name": each.wrap().name}
            for each in found
            if each.type == Authenticator.Type.WEBAUTHN
        ],
        "recovery_codes": codes,
        "recovery_codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
    }
