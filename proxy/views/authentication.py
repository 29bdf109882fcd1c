"""Who asks: the API key of the Authorization header, and no other way.

`request.user` is the key's `Identity`, `request.auth` the key as it was presented.
"""

from __future__ import annotations

from typing import cast

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from portal.tenants.errors import KeyRefused
from portal.tenants.keys import Identity
from proxy.http import refusals
from proxy.limits import allowed
from proxy.process.caches import known_keys
from proxy.process.sightings import watch


class BearerAuthentication(BaseAuthentication):
    """The key as it is in the database now, for views that spend nothing."""

    identify = staticmethod(known_keys.verify)

    async def authenticate(  # type: ignore[override]  # AsyncAPIView awaits it
        self, request: Request
    ) -> tuple[Identity, str] | None:
        """None without a key.

        Raises: GatewayError (401, 429), LedgerUnavailable.
        """
        header = request._request.META.get("HTTP_AUTHORIZATION", "")
        scheme, _, presented = header.partition(" ")
        presented = presented.strip()
        if scheme.lower() != "bearer" or not presented:
            return None
        try:
            meta = request._request.META
            return await self.identify(presented, meta), presented
        except KeyRefused as error:
            raise refusals.key_refused(error) from None


class RememberedBearerAuthentication(BearerAuthentication):
    """The key as it was in the last minute, for calls that place a hold: the hold's
    own transaction asks again whether the key may spend."""

    identify = staticmethod(known_keys.identify)


class HasKey(BasePermission):
    """Every route of `/v1` needs a key, used from where it may be. A suspended
    organization's reads what it has and what it did, and nothing else."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raises: GatewayError (403)."""
        identity = cast(Identity | None, request.user)
        if identity is not None:
            # Also from where it may not be used: that somebody tries is worth knowing.
            watch.see(identity.spender_id, request._request.META)
            allowed.check_address(identity, request._request.META)
            if identity.is_suspended and not getattr(view, "is_for_suspended", False):
                raise refusals.organization_suspended()
        return identity is not None
