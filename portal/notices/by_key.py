"""Who acts when an API key asks: whoever holds it, with the rights of their role."""

from __future__ import annotations

from uuid import UUID

from portal.models import ApiKey, Organization, User
from portal.tenants.audit import Actor
from portal.tenants.errors import NotAllowed


class NobodysKey(NotAllowed):
    message = (
        "Endpoints are managed with a key that a member holds: this one is a service "
        "account's, or of a run."
    )


def holder_of(key_id: UUID) -> tuple[Actor, Organization]:
    """Raises: NobodysKey where no active member holds the key itself."""
    keys = ApiKey.objects.select_related("organization__account", "spender")
    key = keys.get(id=key_id)
    person = User.objects.filter(
        memberships__unit=key.spender.holder_id,
        memberships__organization=key.organization_id,
        memberships__disabled_at=None,
    ).first()
    if person is None or key.spender.parent_id is not None:
        raise NobodysKey
    return Actor(person, f"{person.email} by key {key.hint}"), key.organization
