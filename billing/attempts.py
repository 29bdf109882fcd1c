"""Attempts at requests that are sent again: what became of them, and whose they are.

When a call may be held at all is the ledger's to decide (`ledger/attempts.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, Subquery

from billing import purging
from billing.ledger import dialect
from billing.models import Attempt, Lease, UsageRecord
from billing.models.hold import UNRESOLVED, HoldState
from billing.values.ids import first_id_at


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its lease: until when it has one (None: it has ended in order), and
    the last question that it has answered."""

    lease_id: UUID
    until: datetime | None
    answered: int


@dataclass(frozen=True, slots=True)
class Earlier:
    """An attempt as it is now."""

    hold_id: str
    retry_count: int
    content: str
    state: str  # of the hold
    is_job: bool  # its hold left the process
    charged_micros: int | None  # None: nothing was, and nothing is recorded
    settled_at: datetime | None
    streamed: bool
    joined_by: UUID | None
    is_lost: bool
    maker: Process | None  # that made the call; None once it is a job's
    client_at: Process | None  # where the client is whose answer it is now
    seen_at: datetime  # by the clock that stamps holds and leases

    @property
    def is_nothing(self) -> bool:
        """It cost nothing, and nobody doubts that."""
        return self.state == HoldState.RELEASED and self.charged_micros is None

    @property
    def is_in_doubt(self) -> bool:
        """Nobody knows, or ever learnt, what the upstream did."""
        return self.state == HoldState.IN_DOUBT or (
            self.state == HoldState.RELEASED and not self.is_nothing
        )


def look(hold_ids: Iterable[str]) -> list[Earlier]:
    """Those attempts, all as they are at one moment: first those with the most retries
    before them, of these the latest."""
    now = dialect.now()
    maker = Lease.objects.filter(id=OuterRef("hold__lease_id"))
    client_at = Lease.objects.filter(id=OuterRef("lease_id"))
    rows = (
        Attempt.objects.filter(hold_id__in=[UUID(each) for each in hold_ids])
        .select_related("hold", "hold__usage")
        .annotate(
            maker_until=Subquery(maker.values("expires_at")),
            maker_answered=Subquery(maker.values("answered")),
            client_until=Subquery(client_at.values("expires_at")),
            client_answered=Subquery(client_at.values("answered")),
        )
        .order_by("-retry_count", "-placed_at", "-hold_id")
    )
    return [_earlier(row, now) for row in rows]


def _earlier(row: Any, now: datetime) -> Earlier:
    usage: UsageRecord | None = getattr(row.hold, "usage", None)
    maker, at = row.hold.lease_id, row.lease_id
    return Earlier(
        hold_id=row.hold_id.hex,
        retry_count=row.retry_count,
        content=row.content.hex,
        state=row.hold.state,
        is_job=at is not None and maker is None,
        charged_micros=usage.charged_micros if usage else None,
        settled_at=usage.settled_at if usage else None,
        streamed=usage.streamed if usage else False,
        joined_by=row.joined_by,
        is_lost=row.is_lost,
        maker=maker and Process(maker, row.maker_until, row.maker_answered or 0),
        client_at=at and Process(at, row.client_until, row.client_answered or 0),
        seen_at=now,
    )


def join(earlier: Earlier, *, by: str, lease_id: str | None) -> bool:
    """Make the attempt's answer a retry's, `by` its own hold's id, at that process;
    whether it is. Not if another retry was faster: of two equal requests each gets its
    own. It may be done twice."""
    joined_by = Q(joined_by=earlier.joined_by)
    if earlier.joined_by is None:
        joined_by = Q(joined_by__isnull=True)
    row = Attempt.objects.filter(
        joined_by | Q(joined_by=UUID(by)), hold_id=UUID(earlier.hold_id)
    )
    at = UUID(lease_id) if lease_id else None
    return bool(row.update(joined_by=UUID(by), lease_id=at, is_lost=False))


def mark_lost(lost: Iterable[tuple[str, str]]) -> None:
    """The clients of these attempts left without the answer: each the attempt, by its
    hold's id, and by whom it was joined, "" for its own client. One that was joined by
    somebody else since stays that one's, and of a hold that was never placed there is
    nothing to mark."""
    for hold_id, by in lost:
        rows = Attempt.objects.filter(hold_id=UUID(hold_id))
        rows = rows.filter(joined_by=UUID(by)) if by else rows.filter(joined_by=None)
        rows.update(is_lost=True)


def purge(window: timedelta, *, batch_rows: int = purging.ROWS) -> int:
    """Forget the attempts that ended longer ago than `window`; how many."""
    before = dialect.now() - window
    # By the ids, which begin with their time: there is no other index to look in.
    old = Attempt.objects.filter(
        hold_id__lt=first_id_at(before), hold__changed_at__lte=before
    ).exclude(hold__state__in=UNRESOLVED)
    return purging.purge(old, batch_rows=batch_rows)
