"""The outbox: events, written in the transaction of what they tell of.

What is committed will be told, what is rolled back never; `portal/notices` takes the
rows from here. A repeat of what has happened already adds no second event.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from billing.ledger import dialect
from billing.models import Event
from billing.models.event import KEY_MAX
from billing.values import ids
from billing.values.event_types import EVENT_TYPES

# Of an event's `data` as JSON: receivers are promised less than 20 kB in all.
DATA_BYTES_MAX = 16_000

JSON = None | bool | int | str | Sequence["JSON"] | Mapping[str, "JSON"]


def emit(account_id: int, type: str, data: Mapping[str, JSON], *, key: str) -> None:
    """Write an event, once for each account, type and `key`. `data` is plain JSON
    without fractions, amounts in microcredits, and holds neither secret nor prompt.
    Call it inside the transaction of what happened.

    Raises: ValueError for an unknown type, an empty or too long key, or data that is
    no such JSON or is too long.
    """
    assert transaction.get_connection().in_atomic_block, "emit with the change"
    if type not in EVENT_TYPES:
        raise ValueError(f"no such event: {type}")
    if not 0 < len(key) <= KEY_MAX:
        raise ValueError("an event's key is empty or too long")
    plain = _plain(data)
    if len(json.dumps(plain).encode()) > DATA_BYTES_MAX:
        raise ValueError("an event's data is too long")
    row = Event(
        uid=UUID(ids.new_id()),
        account_id=account_id,
        type=type,
        key=key,
        data=plain,
        created_at=dialect.now(),
    )
    Event.objects.bulk_create([row], ignore_conflicts=True)


def take(limit: int) -> list[Event]:
    """The oldest events that nobody has dispatched yet, locked until the caller's
    transaction ends; those that another takes just now are left to it."""
    waiting = Event.objects.filter(dispatched_at=None).order_by("id")
    return list(waiting.select_for_update(skip_locked=True)[:limit])


def mark_dispatched(events: Iterable[Event]) -> None:
    """Say that these are on their way: what is to be sent is written."""
    ids_taken = [event.id for event in events]
    Event.objects.filter(id__in=ids_taken).update(dispatched_at=dialect.now())


def purge(told: QuerySet[Event], *, limit: int) -> int:
    """Delete some of these, which must have been dispatched; how many."""
    found = list(told.order_by("id").values_list("id", flat=True)[:limit])
    gone = Event.objects.filter(id__in=found, dispatched_at__isnull=False)
    return gone.delete()[0]


def _plain(value: JSON) -> JSON:
    """The same as dicts and lists. Raises: ValueError."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return str(value)
        case Mapping():
            return {str(name): _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
    raise ValueError(f"a {type(value).__name__} does not belong into an event")
