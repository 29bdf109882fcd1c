"""What we decide where django-allauth asks: addresses, words, mails, the trail."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.mail import EmailMessage
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from portal.models import User
from portal.signing_in import devices, groups, limits, methods, sessions, sign_up
from portal.tenants import audit

MISMATCH = "That e-mail address and password do not match."


class AccountAdapter(DefaultAccountAdapter):
    """Signing in and up, by e-mail address and password."""

    error_messages = {  # noqa: RUF012  allauth's own shape
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": MISMATCH,
        "account_inactive": MISMATCH,
        "incorrect_code": "That code is not right.",
        "incorrect_password": "That is not your password.",
        "enter_current_password": "That is not your password.",
        "too_many_login_attempts": "Too many wrong codes. Begin again.",
        "duplicate_email": "That is your address already.",
        "rate_limited": "Too many tries. Wait a quarter of an hour.",
    }

    # --- addresses ------------------------------------------------------------

    def clean_email(self, email: str) -> str:
        return User.objects.normalize_email(email)

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return sign_up.is_open(request)

    def save_user(
        self, request: HttpRequest, user: Any, form: Any, commit: bool = True
    ) -> Any:
        """The password is hashed before the transaction, which nobody waits for."""
        user.email = User.objects.normalize_email(form.cleaned_data["email"])
        user.name = form.cleaned_data.get("name", "")
        user.password = make_password(form.cleaned_data.get("password1") or None)
        if commit:
            with transaction.atomic():
                user.save()
                sign_up.record(request, user.email)
        return user

    # --- signing in and out -----------------------------------------------------

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """A closed account is as good as none."""
        user = super().authenticate(request, **credentials)
        if user is not None and not user.is_active:
            self.authentication_failed(request, **credentials)
            return None
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        name = User.objects.normalize_email(credentials.get("email"))
        methods.record_failure(request, "password", name)

    def login(self, request: HttpRequest, user: Any) -> None:
        with transaction.atomic():
            super().login(request, user)
            sessions.note(request)
            audit.record_of_person(
                "user.sign_in",
                user,
                actor=methods.actor_for(request, user),
                by=methods.used(request),
            )
        limits.forget_password(request, user.email)

    def post_login(self, request: HttpRequest, user: Any, **how: Any) -> Any:
        sociallogin = (how.get("signal_kwargs") or {}).get("sociallogin")
        if sociallogin is not None:
            claimed = groups.claimed(sociallogin)
            groups.apply(user, claimed, ip_address=audit.address_of(request))
        response = super().post_login(request, user, **how)
        if isinstance(response, HttpResponse):
            devices.remember(request, response, user)
        return response

    def logout(self, request: HttpRequest) -> None:
        with transaction.atomic():
            actor = audit.actor_of(request)
            audit.record_of_person("user.sign_out", actor.user, actor=actor)
            super().logout(request)

    def set_password(self, user: Any, password: str) -> None:
        """Changed, set or reset: whoever else is signed in as this person is not."""
        request = self.request
        user.set_password(password)  # hashed before the transaction
        is_reset = not request.user.is_authenticated
        key = None if is_reset else request.session.session_key
        with transaction.atomic():
            user.save(update_fields=["password"])
            ended = sessions.forget_others(user, key)
            audit.record_of_person(
                "user.reset_password" if is_reset else "user.change_password",
                user,
                actor=methods.actor_for(request, user),
                ended_sessions=ended,
            )

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """An address was proved by a code: the first one, or another one."""
        user: Any = email_address.user
        before = user.email
        with transaction.atomic():
            if not super().confirm_email(request, email_address):
                return False
            is_change = before != email_address.email
            audit.record_of_person(
                "user.change_email" if is_change else "user.verify_email",
                user,
                actor=methods.actor_for(request, user),
                **({"before": before, "after": user.email} if is_change else {}),
            )
        if not is_change:
            sign_up.complete(request, user)
        return True

    # --- being asked again ----------------------------------------------------------

    def is_reauthentication_required(self, *, app: str, **more: Any) -> bool:
        """Not of somebody who signed in a moment ago, by whatever means."""
        return not methods.is_fresh(self.request)

    # --- mails and messages -------------------------------------------------------

    def format_email_subject(self, subject: str) -> str:
        return subject

    def render_mail(
        self,
        template_prefix: str,
        email: str | list[str],
        context: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> EmailMessage:
        """Plain text: one thing to do, and why the mail came."""
        known = {**context, "public_url": settings.PUBLIC_URL}
        subject = render_to_string(f"{template_prefix}_subject.txt", known)
        body = render_to_string(f"{template_prefix}_message.txt", known)
        to = [email] if isinstance(email, str) else email
        return EmailMessage(
            " ".join(subject.split()), body.strip() + "\n", to=to, headers=headers
        )

    def send_mail(self, template_prefix: str, email: str, context: Any) -> None:
        """What strangers ask for is counted; beyond it the page says the same, and no
        mail goes out. What its own person did is always told."""
        request = self.request
        is_asked = not template_prefix.startswith(("mfa/", "account/email/told_"))
        if is_asked and not limits.allow_mail(request, email):
            return
        self.render_mail(template_prefix, email, {**context, "email": email}).send()

    def send_notification_mail(
        self,
        template_prefix: str,
        user: Any,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """One template for all that may frighten: what happened, when, from where."""
        words = TOLD.get(template_prefix)
        if words is None:
            return
        more = {
            **(context or {}),
            "what": words,
            "address": audit.address_of(self.request),
        }
        self.send_mail("account/email/told_change", email or user.email, more)

    def get_client_ip(self, request: HttpRequest) -> str:
        return audit.address_of(request) or "unknown"


# What allauth tells people of: in our words.
TOLD = {
    "account/email/password_changed": "The password of your account was changed.",
    "account/email/password_set": "A password was set for your account.",
    "account/email/password_reset": "The password of your account was reset.",
    "account/email/email_changed": "Your account has another e-mail address.",
    "mfa/email/totp_activated": "An authenticator app was added to your account.",
    "mfa/email/totp_deactivated": "The authenticator app of your account was removed.",
    "mfa/email/webauthn_added": "A passkey was added to your account.",
    "mfa/email/webauthn_removed": "A passkey was removed from your account.",
    "mfa/email/recovery_codes_generated": "Your account has new recovery codes.",
    "socialaccount/email/account_connected": "Single sign-on opens your account now.",
}
