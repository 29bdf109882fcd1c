"""Single sign-on by OpenID Connect, stricter than the library by default.

The library leaves the ID token's signature to TLS, and asks for no nonce. Here every ID
token is checked against the issuer's published keys, and answers for one sign-in only.
"""

from __future__ import annotations

import secrets
from typing import Any

import jwt
import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import (
    OpenIDConnectProvider,
)
from allauth.socialaccount.providers.openid_connect.views import (
    OpenIDConnectOAuth2Adapter,
)
from django.http import HttpRequest

from portal.models import User

NAME = "sso"  # of the one provider, in URLs
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri", "issuer")
# Signatures only the issuer can make. No HS256: our own secret would make them, too.
ALGORITHMS = [
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
]
LEEWAY_SECONDS = 60  # between the clocks of two machines


class Adapter(OpenIDConnectOAuth2Adapter):
    """The conversation with the issuer, after the browser came back."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """Raises: OAuth2Error, which becomes a page, for whatever is wrong with it."""
        try:
            config: dict[str, Any] = super().openid_config
        except requests.RequestException as error:
            raise OAuth2Error("the issuer does not answer") from error
        if not all(isinstance(config.get(name), str) for name in NEEDED):
            raise OAuth2Error("the issuer's configuration lacks an address")
        if config["issuer"].rstrip("/") != self._issuer:
            raise OAuth2Error("the issuer calls itself otherwise")
        return config

    @property
    def _issuer(self) -> str:
        return str(self.get_provider().app.settings["server_url"]).rstrip("/")

    def complete_login(
        self, request: HttpRequest, app: Any, token: Any, **kwargs: Any
    ) -> Any:
        """Raises: OAuth2Error."""
        text = kwargs["response"].get("id_token")
        if not isinstance(text, str):
            raise OAuth2Error("the issuer sent no ID token")
        claims = self._decode_id_token(app, text)
        shown = dict(claims)
        if self.openid_config.get("userinfo_endpoint"):
            info = self._fetch_user_info(token.token)
            if info.get("sub") != claims["sub"]:
                raise OAuth2Error("the issuer spoke of somebody else")
            shown |= info
        data = {"userinfo": shown, "id_token": claims}
        return self.get_provider().sociallogin_from_response(request, data)

    def _decode_id_token(self, app: Any, id_token: str) -> dict[str, Any]:
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
        try:
            key_id = jwt.get_unverified_header(id_token).get("kid")
            keys = jwt.PyJWKSet.from_dict(answer.json()).keys
            # A key set of one key may leave it without a name.
            key = next(k for k in keys if k.key_id == key_id or len(keys) == 1)
            claims: dict[str, Any] = jwt.decode(
                id_token,
                key=key,
                algorithms=ALGORITHMS,
                issuer=self.openid_config["issuer"],
                audience=app.client_id,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "aud", "iss", "sub"]},
            )
        except (jwt.PyJWTError, StopIteration, AttributeError) as error:
            raise OAuth2Error("the ID token is not valid") from error
        return claims


class Provider(OpenIDConnectProvider):
    """The one provider of OIDC_ISSUER."""

    oauth2_adapter_class = Adapter
    pkce_enabled_default = True

    def redirect(
        self,
        request: HttpRequest,
        process: str,
        next_url: str | None = None,
        data: Any = None,
        **kwargs: Any,
    ) -> Any:
        """With a nonce, which waits in the session beside the state."""
        nonce = secrets.token_urlsafe(24)
        kwargs["auth_params"] = {**(kwargs.get("auth_params") or {}), "nonce": nonce}
        return super().redirect(request, process, next_url, data, nonce=nonce, **kwargs)

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        """Where to go afterwards is the request's to say; what is asked is not."""
        wanted = super().get_redirect_from_request_kwargs(request)
        return {
            **wanted,
            "process": "login",
            "scope": self.get_scope(),
            "auth_params": self.get_auth_params(),
        }

    def extract_email_addresses(self, data: Any) -> list[EmailAddress]:
        found: list[EmailAddress] = super().extract_email_addresses(data)
        for address in found:
            address.email = User.objects.normalize_email(address.email)
        return found
