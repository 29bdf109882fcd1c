"""Writing down who did what. Call `record` in the transaction of the change itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from billing.values import clock
from portal.models import AuditEvent, Organization, User
from portal.tenants import addresses, announced, chain


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person, or (with no user) the system under a name."""

    user: User | None
    label: str
    ip_address: str | None = None
    request_id: str = ""  # of the page's or the gateway's request, if there is one


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in person behind a request."""
    assert isinstance(request.user, User), "a view for signed-in people only"
    user = request.user
    return Actor(user, user.email, address_of(request), request_id_of(request))


def stranger(request: HttpRequest, label: str) -> Actor:
    """Whoever is behind a request and has not signed in; `label` is what they say."""
    return Actor(None, label[:254], address_of(request), request_id_of(request))


def address_of(request: HttpRequest) -> str | None:
    """The client's, as far as it can be believed (`addresses.py`)."""
    found = addresses.client_address(request.META)
    return None if found is None else str(found)


def request_id_of(request: HttpRequest) -> str:
    """As the answer's `X-Request-Id` says it (`portal/runtime/request_ids.py`)."""
    return getattr(request, "request_id", "")


def record(
    action: str,
    *,
    actor: Actor,
    organization: Organization | None = None,
    target: str = "",
    **detail: Any,
) -> None:
    """Append one event. `target` is the organization itself if nothing else is named;
    `detail` is plain JSON without fractions and never holds a secret. What was changed
    is told by its `before` and `after`."""
    assert transaction.get_connection().in_atomic_block, "audit with the change"
    event = AuditEvent(
        organization=organization,
        actor=actor.user,
        actor_label=actor.label,
        action=action,
        target=target or (organization.slug if organization else ""),
        detail=_plain(detail),
        ip_address=actor.ip_address,
        request_id=actor.request_id,
        at=clock.now(),
    )
    event.digest = chain.digest_of(event)
    chain.append(event)
    event.save(force_insert=True)
    announced.announce(event)


def record_of_person(
    action: str, person: User | None, *, actor: Actor, **detail: Any
) -> None:
    """Append what a person did, or what was done to them, beside any organization: in
    the trail of each that they are a member of, so that its owners read it; in nobody's
    where there is none."""
    joined = Organization.objects.filter(
        memberships__user=person, memberships__disabled_at=None
    )
    found: list[Organization | None] = []
    if person is not None:
        found.extend(joined.order_by("id"))
    target = person.email if person is not None else actor.label
    for organization in found or [None]:
        record(action, actor=actor, organization=organization, target=target, **detail)


def _plain(value: Any) -> Any:
    """As the database gives it back: what it would change could not be hashed.

    Raises: TypeError.
    """
    match value:
        case None | bool() | int() | str():
            # A member of an enumeration is written as the text it is.
            return str(value) if isinstance(value, str) else value
        case dict():
            return {str(name): _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
    raise TypeError(f"a {type(value).__name__} does not belong into the audit trail")
