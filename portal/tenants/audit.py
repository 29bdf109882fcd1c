"""Writing down who did what. Call `record` in the transaction of the change itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from portal.models import AuditEvent, Organization, User
from portal.tenants import addresses


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person, or (with no user) the system under a name."""

    user: User | None
    label: str
    ip_address: str | None = None


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in person behind a request."""
    assert isinstance(request.user, User), "a view for signed-in people only"
    return Actor(request.user, request.user.email, address_of(request))


def address_of(request: HttpRequest) -> str | None:
    """The client's, as far as it can be believed (`addresses.py`)."""
    found = addresses.client_address(request.META)
    return None if found is None else str(found)


def record(
    action: str,
    *,
    actor: Actor,
    organization: Organization | None = None,
    target: str = "",
    **detail: Any,
) -> None:
    """Append one event. `target` is the organization itself if nothing else is named;
    `detail` must never hold a secret."""
    assert transaction.get_connection().in_atomic_block, "audit with the change"
    AuditEvent.objects.create(
        organization=organization,
        actor=actor.user,
        actor_label=actor.label,
        action=action,
        target=target or (organization.slug if organization else ""),
        detail=detail,
        ip_address=actor.ip_address,
    )
