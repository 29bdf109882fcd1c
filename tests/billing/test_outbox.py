"""The outbox: told if and only if it happened, and once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from billing import outbox
from billing.models import Event
from billing.values import clock as the_clock
from tests.support.ledger.payers import Payer


def emit(payer: Payer, key: str = "k", type: str = "key.created", **data: Any) -> None:
    with transaction.atomic():
        outbox.emit(payer.account_id, type, data, key=key)


def events_of(payer: Payer) -> list[Event]:
    return list(Event.objects.filter(account_id=payer.account_id).order_by("id"))


def test_an_event_is_written_once_for_each_key(
    customer: Payer, stranger: Payer
) -> None:
    emit(customer, "a", name="first")
    emit(customer, "a", name="said again")
    emit(customer, "b")
    emit(customer, "a", "key.revoked")
    emit(stranger, "a")

    found = events_of(customer)
    assert [(each.key, each.type) for each in found] == [
        ("a", "key.created"),
        ("b", "key.created"),
        ("a", "key.revoked"),
    ]
    assert found[0].data == {"name": "first"}
    assert found[0].public_id == f"evt_{found[0].uid.hex}"
    assert len(events_of(stranger)) == 1


def test_what_is_rolled_back_was_never_said(customer: Payer) -> None:
    with transaction.atomic():
        outbox.emit(customer.account_id, "key.created", {}, key="gone")
        transaction.set_rollback(True)
    assert events_of(customer) == []


@pytest.mark.parametrize(
    ("type", "key", "data"),
    [
        ("no.such", "k", {}),
        ("key.created", "", {}),
        ("key.created", "k" * 201, {}),
        ("key.created", "k", {"amount": 1.5}),
        ("key.created", "k", {"nested": [{"at": object()}]}),
        ("key.created", "k", {"text": "ü" * 16_000}),
    ],
)
def test_what_no_receiver_could_read_is_refused(
    customer: Payer, type: str, key: str, data: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"event|fraction|float|object"):
        emit(customer, key, type, **data)
    assert events_of(customer) == []


def test_events_are_taken_in_their_order_until_they_are_dispatched(
    customer: Payer,
) -> None:
    for key in ("one", "two", "three"):
        emit(customer, key)
    mine = Event.objects.filter(account_id=customer.account_id)
    Event.objects.exclude(id__in=mine).update(dispatched_at=the_clock.now())

    taken = outbox.take(2)
    assert [each.key for each in taken] == ["one", "two"]
    outbox.mark_dispatched(taken)
    assert [each.key for each in outbox.take(10)] == ["three"]


def test_only_what_was_dispatched_is_ever_purged(customer: Payer) -> None:
    for key in ("sent", "kept", "waiting"):
        emit(customer, key)
    sent, kept, _ = events_of(customer)
    outbox.mark_dispatched([sent, kept])
    mine = Event.objects.filter(account_id=customer.account_id)

    assert outbox.purge(mine.exclude(id=kept.id), limit=10) == 1
    assert [each.key for each in events_of(customer)] == ["kept", "waiting"]
