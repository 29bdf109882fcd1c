"""Where people find what a call was refused for, and change it: the portal's page, as
`url` of a refusal's metadata."""

from __future__ import annotations

from django.conf import settings

from portal.tenants.keys import Identity
from proxy.http.errors import GatewayError

# Of the organization's credits: its overview says what there is, and leads everybody to
# what they may do about it.
CREDITS = frozenset(
    {"insufficient_credits", "credits_on_hold", "debt_unpaid", "organization_paused"}
)
# Of a rule or a run. Not where from a key may be used: who asks may have found it.
LIMITS = frozenset(
    {
        *("rate_limit_exceeded", "model_not_allowed", "operation_not_allowed"),
        *("too_many_envelopes", "envelope_exhausted"),
    }
)


def add(error: GatewayError, identity: Identity) -> None:
    """A limit names its own page already."""
    home = f"{settings.PUBLIC_URL}/o/{identity.organization_slug}"
    if error.code in CREDITS:
        error.metadata.setdefault("url", f"{home}/")
    elif error.code in LIMITS:
        is_of_key = error.metadata.get("level") == "key"
        page = f"keys/{identity.key_id}/" if is_of_key else "activity/?state=refused"
        error.metadata.setdefault("url", f"{home}/{page}")
