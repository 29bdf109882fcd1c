"""The key of a run stands below the key that opened it, and that one maybe below
another: what binds or closes one of them does so for all below it."""

from __future__ import annotations

from django.utils import timezone

from billing.models import Spender
from billing.models.hold import HoldState
from portal.models import KeySecret
from portal.tenants.errors import ClosedRun, DisabledKey, ExpiredKey, RevokedKey


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

    Raises: RevokedKey, DisabledKey, ExpiredKey, ClosedRun."""
    now = timezone.now()
    for spender in reversed(line):
        if not spender.is_open:
            raise DisabledKey if _is_disabled(spender) else RevokedKey
        if spender.closes_at is not None and spender.closes_at <= now:
            raise ExpiredKey
        run = spender.envelope
        if run is not None and (run.state != HoldState.OPEN or run.due_at <= now):
            raise ClosedRun


def _is_disabled(spender: Spender) -> bool:
    """Whether its key may be enabled again. Asked only where a call is refused."""
    found = KeySecret.objects.filter(
        spender=spender, closed_at=None, key__revoked_at=None
    )
    return found.exclude(key__disabled_at=None).exists()
