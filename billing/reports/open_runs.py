"""Runs of an organization: what is set aside for each, used, and left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum

from billing.ledger import dialect
from billing.models import Correction, Envelope, Hold, UsageRecord
from billing.models.correction import CorrectionState
from billing.models.hold import UNRESOLVED, HoldState

LEVELS_MAX = 12  # of runs in each other; fewer are allowed


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run as it stands; micros. `used_micros` is of its own calls and of those of
    the runs inside it, which `children` counts with theirs."""

    envelope_id: UUID
    label: str
    spender_id: int
    parent_label: str  # the key, or run, that opened it
    parent_envelope_id: UUID | None
    holder_id: int | None
    holder_label: str
    project_label: str
    state: str  # "open", "closed" or "expired"
    reserved_micros: int
    used_micros: int
    running_micros: int  # held by its calls that run
    inside_micros: int  # set aside for the runs directly inside it
    left_micros: int
    children: int
    created_at: datetime
    expires_at: datetime

    @property
    def public_id(self) -> str:
        return f"env_{self.envelope_id.hex}"


def runs_of(
    account_id: int,
    *,
    only_open: bool = True,
    holder_id: int | None = None,
    most: int = 1000,
) -> list[RunLine]:
    """The latest first; of one holder's keys only, where that is said. A constant
    number of queries, whatever there is."""
    rows = Envelope.objects.filter(account_id=account_id)
    if holder_id is not None:
        rows = rows.filter(hold__holder_id=holder_id)
    if only_open:
        open_ids = Hold.objects.filter(
            account_id=account_id, is_envelope=True, state=HoldState.OPEN
        )
        rows = rows.filter(hold_id__in=open_ids.values("id"))
    latest = rows.select_related("hold", "parent").order_by("-created_at", "-hold_id")
    runs = list(latest[:most])
    inner = _inside([run.hold_id for run in runs])
    sums = _Sums([*inner, *(each for ids in inner.values() for each in ids)])
    return [_line(run, inner[run.hold_id], sums) for run in runs]


def _inside(ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Of each of these runs the runs inside it, however deep: a query a level."""
    found: dict[UUID, list[UUID]] = {each: [] for each in ids}
    above: dict[UUID, list[UUID]] = {each: [each] for each in ids}
    for _ in range(LEVELS_MAX):
        rows = Hold.objects.filter(envelope_id__in=list(above), is_envelope=True)
        pairs = list(rows.values_list("id", "envelope_id"))
        if not pairs:
            break
        level: dict[UUID, list[UUID]] = {}
        for inner, outer in pairs:
            for top in above[outer]:
                found[top].append(inner)
                level.setdefault(inner, []).append(top)
        above = level
    return found


class _Sums:
    """What the calls directly in each of these runs come to."""

    def __init__(self, ids: Sequence[UUID]) -> None:
        calls = Hold.objects.filter(envelope_id__in=set(ids))
        running = calls.filter(is_envelope=False, state__in=UNRESOLVED)
        inner = calls.filter(is_envelope=True)
        self.running = _by_run(running, "envelope_id", "amount_micros")
        still = inner.filter(state=HoldState.OPEN)
        self.inside = _by_run(still, "envelope_id", "amount_micros")
        counted = inner.values_list("envelope_id").annotate(found=Count("id"))
        self.children = dict(counted.order_by())
        records = UsageRecord.objects.filter(hold__envelope_id__in=set(ids))
        posted = Correction.objects.filter(
            Q(state=CorrectionState.POSTED), hold__envelope_id__in=set(ids)
        )
        self.charged = _by_run(records, "hold__envelope_id", "charged_micros")
        self.corrected = _by_run(posted, "hold__envelope_id", "charged_micros")

    def used(self, run: UUID) -> int:
        return self.charged.get(run, 0) + self.corrected.get(run, 0)


def _by_run(rows: QuerySet[Any], run: str, column: str) -> dict[UUID, int]:
    return dict(rows.values_list(run).annotate(found=Sum(column)).order_by())


def _line(run: Envelope, inside: list[UUID], sums: _Sums) -> RunLine:
    hold, every = run.hold, [run.hold_id, *inside]
    state = "open" if hold.state == HoldState.OPEN else hold.reason
    if state == "open" and hold.due_at <= dialect.now():
        state = "expired"  # the next hold of the account, or the timetable, closes it
    return RunLine(
        envelope_id=run.hold_id,
        label=run.label,
        spender_id=run.spender_id,
        parent_label=run.parent.label,
        parent_envelope_id=hold.envelope_id,
        holder_id=hold.holder_id,
        holder_label=hold.holder_label,
        project_label=hold.project_label,
        state=state,
        reserved_micros=hold.bound_micros,
        used_micros=sum(
            sums.charged.get(e, 0) + sums.corrected.get(e, 0) for e in every
        ),
        running_micros=sums.running.get(run.hold_id, 0),
        inside_micros=sums.inside.get(run.hold_id, 0),
        left_micros=hold.amount_micros,
        children=sums.children.get(run.hold_id, 0),
        created_at=run.created_at,
        expires_at=hold.due_at,
    )
