"""What was held at an instant: credits set aside for what ran then.

A hold says what it kept at its end. So a job whose hold was raised after it began, and
a run to which credits were added later, count with what they had in the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import F, Q

from billing.ledger import dialect
from billing.models import Hold
from billing.models.hold import HoldState
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


# PLAN: the few that have not ended by their partial index (with the sign, no index that
# begins with the account is taken); those that have ended by when they were placed.
_ALIVE = """
SELECT h.id, h.state, h.amount_micros, h.bound_micros, h.changed_at, h.envelope_id,
       h.is_envelope, u.basis
FROM billing_hold h LEFT JOIN billing_usagerecord u ON u.hold_id = h.id
WHERE h.state IN ('open', 'in_doubt') AND +h.account_id = %s AND h.placed_at < %s
UNION ALL
SELECT h.id, h.state, h.amount_micros, h.bound_micros, h.changed_at, h.envelope_id,
       h.is_envelope, u.basis
FROM billing_hold h LEFT JOIN billing_usagerecord u ON u.hold_id = h.id
WHERE h.account_id = %s AND h.placed_at >= %s AND h.placed_at < %s
  AND h.state IN ('settled', 'released') AND h.changed_at >= %s
"""


class _Alive(NamedTuple):
    """A hold that had not ended."""

    id: Any
    state: str
    amount_micros: int
    bound_micros: int
    changed_at: Any
    envelope_id: Any
    is_envelope: bool
    basis: str | None


def _alive_at(account_id: int, moment: datetime) -> list[_Alive]:
    longest = timedelta(seconds=settings.JOB_SECONDS_MAX + settings.IN_DOUBT_SECONDS)
    at, since = map(
        connection.ops.adapt_datetimefield_value, (moment, moment - longest)
    )
    with connection.cursor() as cursor:
        cursor.execute(_ALIVE, (account_id, at, account_id, since, at, at))
        return [_Alive(*row) for row in cursor.fetchall()]


def _is_in_doubt(hold: _Alive, moment: datetime) -> bool:
    if hold.state == HoldState.IN_DOUBT:
        return dialect.instant(hold.changed_at) < moment
    return hold.basis == Basis.IN_DOUBT


def _spent_before(runs: Iterable[Any], moment: datetime) -> int:
    """What the calls of these runs, and of runs inside them, had cost by then."""
    spent, level = 0, {UUID(dialect.hex_id(run)) for run in runs}
    while level:
        inside = Hold.objects.filter(envelope_id__in=level)
        ended = inside.filter(is_envelope=False, changed_at__lt=moment)
        charges = ended.values_list(F("usage__charged_micros"), flat=True)
        spent += sum(charges.filter(~Q(usage=None)))
        level = set(inside.filter(is_envelope=True).values_list("id", flat=True))
    return spent
