"""Who may come in by single sign-on: what we decide where django-allauth asks."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from portal.models import User
from portal.signing_in import groups, methods, oidc, sign_up
from portal.tenants import audit

strangers = logging.getLogger("portal.strangers.sso")
UNPROVED = "Your identity provider does not say that your e-mail address is yours."
ELSEWHERE = "This answer does not belong to a sign-in that began in this browser."
FAILED = "Your identity provider could not be asked, or its answer was not valid."


class SocialAdapter(DefaultSocialAccountAdapter):
    """One provider, whose word about an address counts when it vouches for it."""

    def get_provider(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> Any:
        found = super().get_provider(request, provider, client_id=client_id)
        return oidc.Provider(request, app=found.app)

    def list_providers(self, request: HttpRequest) -> list[Any]:
        apps = self.list_apps(request)
        return [oidc.Provider(request, app=app) for app in apps]

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Raises: ImmediateHttpResponse with a page that says why not."""
        expected = str(sociallogin.state.get("nonce") or "")
        claims = sociallogin.account.extra_data["id_token"]
        given = str(claims.get("nonce") or "")
        if not expected or not secrets.compare_digest(expected, given):
            raise ImmediateHttpResponse(refuse(request, ELSEWHERE))
        if not any(address.verified for address in sociallogin.email_addresses):
            raise ImmediateHttpResponse(refuse(request, UNPROVED))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Any = None,
        extra_context: Any = None,
    ) -> None:
        """Raises: ImmediateHttpResponse."""
        raise ImmediateHttpResponse(failed(request, exception or error))

    def populate_user(self, request: HttpRequest, sociallogin: Any, data: Any) -> Any:
        user = sociallogin.user
        user.email = User.objects.normalize_email(data.get("email"))
        user.name = str(data.get("name") or "")[:150]
        return user

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Also for whom a group lets in, though sign-up is closed to others."""
        return sign_up.is_open(request) or groups.lets_in(groups.claimed(sociallogin))

    def save_user(
        self, request: HttpRequest, sociallogin: Any, form: Any = None
    ) -> Any:
        with transaction.atomic():
            user = super().save_user(request, sociallogin, form)
            actor = methods.actor_for(request, user)
            audit.record_of_person("user.sign_up", user, actor=actor, by="sso")
        return user

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        return f"{settings.URL_PREFIX}/account/"


def failed(request: HttpRequest, reason: object) -> HttpResponse:
    """The log gets the reason, which may be the provider's own words; the page none."""
    strangers.warning("single sign-on: %.300s", reason)
    return refuse(request, FAILED)


def refuse(request: HttpRequest, why: str) -> HttpResponse:
    """The page of a sign-in that did not happen, which is written down."""
    methods.record_failure(request, "sso", why)
    return render(request, "account/sso_refused.html", {"why": why}, status=403)
