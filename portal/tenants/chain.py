"""The hashes that chain the audit trail, and whether they still fit.

A row's digest is SHA-256 over its content as canonical JSON: UTF-8, keys sorted, no
space, nothing escaped that need not be. Its `chain` is SHA-256 over three lines: the
chain of the row before (empty for the first), the row's number, and its digest. All of
it can be computed from an export, without this program.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC
from hashlib import sha256
from ipaddress import ip_address
from typing import Any, NamedTuple

from django.db import connection

from portal.models import AuditChain, AuditEvent, Organization

NO_ORGANIZATION = 0
ROWS_AT_ONCE = 2000


class Head(NamedTuple):
    """The end of a chain."""

    number: int = 0
    chain: str = ""


class Wrong(NamedTuple):
    """Something that does not fit: what, of whose chain, and which row."""

    code: str
    organization_id: int  # or NO_ORGANIZATION
    number: int | None
    event_id: int | None


def content_of(event: AuditEvent) -> dict[str, Any]:
    """What the digest covers: all that was written of the act itself."""
    address = event.ip_address
    return {
        "action": event.action,
        "actor": event.actor_label,
        "actor_id": event.actor_id,
        "address": None if address is None else str(ip_address(address)),
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "detail": event.detail,
        "organization_id": event.organization_id,
        "request_id": event.request_id,
        "target": event.target,
    }


def canonical(value: Any) -> str:
    return json.dumps(
        value,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )


def digest_of(event: AuditEvent) -> str:
    return sha256(canonical(content_of(event)).encode()).hexdigest()


def linked(before: Head, digest: str) -> Head:
    """The end of a chain after one more row."""
    number = before.number + 1
    text = f"{before.chain}\n{number}\n{digest}"
    return Head(number, sha256(text.encode()).hexdigest())


def append(event: AuditEvent) -> None:
    """Number and chain a new row before it is stored.

    On PostgreSQL a trigger does so when the transaction commits: the end of the chain
    is then the last lock that anybody takes, so that nobody can wait for somebody who
    waits for it, and it is kept for no longer than a commit. SQLite has one writer.
    """
    if connection.vendor == "postgresql":
        return
    end, _ = AuditChain.objects.get_or_create(
        id=event.organization_id or NO_ORGANIZATION
    )
    event.number, event.chain = linked(Head(end.number, end.chain), event.digest)
    end.number, end.chain = event.number, event.chain
    end.save(update_fields=["number", "chain"])


# --- whether it fits -----------------------------------------------------------------


def wrong_everywhere() -> Iterator[Wrong]:
    """All that does not fit in any chain, in the caller's snapshot."""
    yield from wrong_in(NO_ORGANIZATION)
    for organization_id in Organization.objects.order_by("id").values_list("id"):
        yield from wrong_in(*organization_id)


def wrong_in(organization_id: int) -> Iterator[Wrong]:
    """What does not fit in one chain: read from its first row to its end."""
    events = AuditEvent.objects.filter(organization=None)
    if organization_id:
        events = AuditEvent.objects.filter(organization_id=organization_id)
    for event_id in events.filter(number=None).order_by("id").values_list("id"):
        yield Wrong("UNCHAINED", organization_id, None, *event_id)
    chained = events.exclude(number=None).order_by("number")
    reached = Head()
    for wrong, head in walk(chained.iterator(ROWS_AT_ONCE), reached):
        reached = head
        if wrong is not None:
            yield wrong
    end = AuditChain.objects.filter(id=organization_id).first()
    stored = Head(end.number, end.chain) if end else Head()
    if stored != reached:
        # Rows at the end are gone, or the end itself was changed.
        yield Wrong("END", organization_id, stored.number, None)


def walk(
    events: Iterable[AuditEvent], reached: Head
) -> Iterator[tuple[Wrong | None, Head]]:
    """For each row of one chain, in its order, what is wrong with it, and the end of
    the chain with it. One break is one finding: what follows is held against what is
    stored."""
    for event in events:
        assert event.number is not None, "chained rows only"
        expected = linked(reached, event.digest)
        found = Head(event.number, event.chain)
        code = ""
        if digest_of(event) != event.digest:
            code = "CONTENT"  # the row is not as it was written
        elif found.number != expected.number:
            code = "GAP"  # a row before it is gone
        elif found != expected:
            code = "CHAIN"  # a row before it is another one
        whose = event.organization_id or NO_ORGANIZATION
        wrong = Wrong(code, whose, event.number, event.pk) if code else None
        yield wrong, found
        reached = found
