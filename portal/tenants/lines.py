"""The key of a run stands below the key that opened it, and that one maybe below
another: what binds or closes one of them does so for all below it."""

from __future__ import annotations

from django.utils import timezone

from billing.models import Spender
from billing.models.hold import HoldState
from portal.tenants.errors import ClosedRun, ExpiredKey, RevokedKey


def above(spender: Spender) -> list[Spender]:
    """The spender and those whose run it is part of, upwards. One query for a run's
    own, and each above it; none for other keys."""
    found = [spender]
    while found[-1].parent_id is not None:
        line = Spender.objects.select_related("envelope", "run")
        if found[-1] is spender:
            found[0] = line.get(id=spender.id)
        found.append(line.get(id=found[-1].parent_id))
    return found


def check_open(line: list[Spender]) -> None:
    """The outermost reason counts: another run helps whose key is not revoked.

    Raises: RevokedKey, ExpiredKey, ClosedRun."""
    now = timezone.now()
    for spender in reversed(line):
        if not spender.is_open:
            raise RevokedKey
        if spender.closes_at is not None and spender.closes_at <= now:
            raise ExpiredKey
        run = spender.envelope
        if run is not None and (run.state != HoldState.OPEN or run.due_at <= now):
            raise ClosedRun
