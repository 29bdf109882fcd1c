"""Leases: a process proves that it lives, so that its holds are left alone."""

from __future__ import annotations

import uuid
from datetime import timedelta

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
