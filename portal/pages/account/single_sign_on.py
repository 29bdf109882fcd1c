"""Off to the identity provider, and back from it."""

from __future__ import annotations

from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import (
    OAuth2CallbackView,
    OAuth2LoginView,
)
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_POST, require_safe

from portal.pages.account.guard import too_many
from portal.signing_in import limits, oidc, social


@require_POST
def begin(request: HttpRequest, provider_id: str) -> HttpResponse:
    """By POST with a token: no other site signs anybody in here."""
    if not limits.take(limits.BEGINNINGS, limits.network_of(request)):
        return too_many(request)
    return _answer(OAuth2LoginView, request, provider_id)


@require_safe
def back(request: HttpRequest, provider_id: str) -> HttpResponse:
    """With a code, which only this browser's session can use."""
    return _answer(OAuth2CallbackView, request, provider_id)


def _answer(
    view: type[OAuth2LoginView] | type[OAuth2CallbackView],
    request: HttpRequest,
    provider_id: str,
) -> HttpResponse:
    """Raises: Http404 where single sign-on is not set up."""
    try:
        adapter = oidc.Adapter(request, provider_id)
        answer: HttpResponse = view.adapter_view(adapter)(request)
    except SocialApp.DoesNotExist:
        raise Http404 from None
    except (OAuth2Error, ValueError) as error:
        return social.failed(request, error)
    return answer
