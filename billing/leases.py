"""Leases: a process proves that it lives, so that its holds are left alone.

What a process alone knows, whether its clients had their answers, it writes down by
itself. Who must be sure that it has nothing more to say asks: an answer to the question
comes after all that it knew when it was asked. No clock decides that.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import F

from billing import attempts
from billing.ledger import dialect
from billing.models import Lease


def renew(lease_id: uuid.UUID, *, label: str, seconds: int) -> None:
    """Promise to be alive for `seconds` more; the first call takes the lease."""
    Lease.objects.update_or_create(
        id=lease_id,
        defaults={
            "label": label,
            "expires_at": dialect.now() + timedelta(seconds=seconds),
        },
    )


def give_up(lease_id: uuid.UUID) -> None:
    """End the lease now: whatever is still open under it is due."""
    Lease.objects.filter(id=lease_id).delete()


# --- questions to a process -------------------------------------------------------


def ask(lease_id: uuid.UUID) -> int | None:
    """Ask its process whether its clients had their answers. The question's number;
    None when the process has ended in order, and so has said all it knew."""
    with transaction.atomic():
        rows = Lease.objects.filter(id=lease_id)
        if not rows.update(asked=F("asked") + 1):
            return None
        return rows.values_list("asked", flat=True).get()


def question(lease_id: uuid.UUID) -> int | None:
    """The number of the last question, unless it is answered."""
    open_ones = Lease.objects.filter(id=lease_id, asked__gt=F("answered"))
    return open_ones.values_list("asked", flat=True).first()


def answer(
    lease_id: uuid.UUID, number: int | None, lost: Iterable[tuple[str, str]]
) -> None:
    """What the process knows, after it has read the question with that number: `lost`
    as in `attempts.mark_lost`."""
    with transaction.atomic():
        attempts.mark_lost(lost)
        if number is not None:
            rows = Lease.objects.filter(id=lease_id, answered__lt=number)
            rows.update(answered=number)
