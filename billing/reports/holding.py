"""What was held at an instant: credits set aside for what ran then.

A hold says what it kept at its end. So a job whose hold was raised after it began, and
a run to which credits were added later, count with what they had in the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q

from billing.models import Hold
from billing.models.hold import UNRESOLVED, HoldState
from billing.models.usage import Basis


@dataclass(frozen=True, slots=True)
class Held:
    """At one instant: what calls and runs held, how many they were, and what of it
    was for calls whose answer was lost (they are in doubt still, or ended as such)."""

    micros: int = 0
    holds: int = 0
    in_doubt_micros: int = 0


def held_at(account_id: int, moment: datetime) -> Held:
    """What ran then, if it runs no longer than jobs may, or has not ended."""
    alive = _alive_at(account_id, moment)
    open_runs = {hold.id for hold in alive if hold.is_envelope}
    outermost = [hold for hold in alive if hold.envelope_id not in open_runs]
    in_doubt = sum(h.amount_micros for h in outermost if _is_in_doubt(h, moment))
    runs = [hold for hold in outermost if hold.is_envelope]
    micros = sum(hold.amount_micros for hold in outermost if not hold.is_envelope)
    micros += sum(hold.bound_micros for hold in runs)
    spent = _spent_before({hold.id for hold in runs}, moment) if runs else 0
    return Held(max(0, micros - spent), len(outermost), in_doubt)


def _alive_at(account_id: int, moment: datetime) -> list[Hold]:
    """PLAN: by the few that have not ended, and by when holds were placed."""
    placed = Hold.objects.filter(account_id=account_id, placed_at__lt=moment)
    longest = timedelta(seconds=settings.JOB_SECONDS_MAX + settings.IN_DOUBT_SECONDS)
    ended = placed.filter(placed_at__gte=moment - longest, changed_at__gte=moment)
    columns = (
        *("id", "state", "amount_micros", "bound_micros", "changed_at"),
        *("envelope_id", "is_envelope", "usage__basis"),
    )
    running = placed.filter(state__in=UNRESOLVED).select_related("usage")
    past = ended.exclude(state__in=UNRESOLVED).select_related("usage")
    return [*running.only(*columns), *past.only(*columns)]


def _is_in_doubt(hold: Hold, moment: datetime) -> bool:
    if hold.state == HoldState.IN_DOUBT:
        return hold.changed_at is not None and hold.changed_at < moment
    usage = getattr(hold, "usage", None)
    return usage is not None and usage.basis == Basis.IN_DOUBT


def _spent_before(runs: Iterable[UUID], moment: datetime) -> int:
    """What the calls of these runs, and of runs inside them, had cost by then."""
    spent, level = 0, set(runs)
    while level:
        inside = Hold.objects.filter(envelope_id__in=level)
        ended = inside.filter(is_envelope=False, changed_at__lt=moment)
        charges = ended.values_list(F("usage__charged_micros"), flat=True)
        spent += sum(charges.filter(~Q(usage=None)))
        level = set(inside.filter(is_envelope=True).values_list("id", flat=True))
    return spent
