"""Reading an organization's audit trail: who sees what of it, and whether it fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from portal.models import AuditChain, AuditEvent, Organization
from portal.tenants import chain
from portal.tenants.chain import Head, Wrong

# What is about money, by how its actions begin: for who sees the money, and no more.
OF_MONEY = (
    *("bounds", "budget", "call", "credits", "debt", "doubt", "envelope", "grant"),
    *("late_word", "raise_request"),
)
# A chain of more rows is read by `manage.py verify_audit`, not while a page waits.
ROWS_MAX = 20_000


def events_of(organization: Organization, *, sees_all: bool) -> QuerySet[AuditEvent]:
    events = AuditEvent.objects.filter(organization=organization)
    return events if sees_all else events.filter(_begins_with(*OF_MONEY))


def of_kind(events: QuerySet[AuditEvent], kind: str) -> QuerySet[AuditEvent]:
    """`kind`: a whole action, "api_key.revoke", or what several begin with."""
    if "." in kind:
        return events.filter(action=kind)
    return events.filter(_begins_with(kind))


def _begins_with(*kinds: str) -> Q:
    found = Q()
    for kind in kinds:
        found |= Q(action__startswith=f"{kind}.")
    return found


def head_of(organization: Organization) -> Head:
    end = AuditChain.objects.filter(id=organization.pk).first()
    return Head(end.number, end.chain) if end else Head()


def wrong_among(events: Sequence[AuditEvent]) -> list[Wrong]:
    """What does not fit of these rows, each held against the one before it: one query
    for those."""
    numbers = [event.number - 1 for event in events if event.number]
    organizations = {event.organization_id or 0 for event in events}
    before = AuditEvent.objects.filter(
        organization_id__in=organizations, number__in=numbers
    )
    chains = dict(before.values_list("number", "chain"))
    return list(_wrong(events, chains))


def _wrong(events: Sequence[AuditEvent], chains: dict[Any, str]) -> Iterator[Wrong]:
    for event in events:
        whose = event.organization_id or chain.NO_ORGANIZATION
        if event.number is None:
            yield Wrong("UNCHAINED", whose, None, event.pk)
            continue
        earlier = event.number - 1
        if earlier and earlier not in chains:
            yield Wrong("GAP", whose, event.number, event.pk)
            continue
        reached = Head(earlier, chains.get(earlier, ""))
        for wrong, _ in chain.walk([event], reached):
            if wrong is not None:
                yield wrong


def exported(event: AuditEvent) -> str:
    """One line of an export: the row as it is hashed, and its hashes."""
    hashes = {
        "number": event.number,
        "digest": event.digest,
        "chain": event.chain,
    }
    return chain.canonical(chain.content_of(event) | hashes)
