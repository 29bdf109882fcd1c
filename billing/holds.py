"""The ledger's one face: every order goes through here, and so does the sweep.

open → settled | released | in_doubt;  in_doubt → settled | released | open.
A hold that is due is *due for resolution*, never simply free again: the upstream may
have worked, and charged, while its caller died. A job that is entrusted lives, so that
its hold is open again. What is said of a hold after its end changes nothing of it, is
kept, and is for `corrections` to post.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

from django.db import DatabaseError
from django.db.models import Q

from billing.ledger import commit as ledger
from billing.ledger import dialect
from billing.ledger import spool as spool_files
from billing.ledger.writer import writer
from billing.models import Hold, Lease
from billing.models.hold import HoldState
from billing.models.usage import Basis
from billing.values.orders import Doubt, Order, Release, Resolved, Usage

logger = logging.getLogger(__name__)

# Holds resolved in one transaction by the sweep: keeps it short for live calls.
SWEEP_BATCH = 100
# Why the sweep doubts a call. Its process may prove the opposite.
CALLER_DIED = "caller_died"

# What each of these does, and raises, is said where it is written.
submit = writer.submit
commit = ledger.commit
spool = spool_files.append
replay_spool = spool_files.replay


def sweep(
    *, in_doubt_after: timedelta, has_all_evidence: bool = True
) -> dict[str, int]:
    """Resolve what is due; how many came to doubt, and how many doubts were closed.
    Who is locked just now is left for the next sweep.

    An open hold is due when its own time is up, or when its process's lease has run
    out: nobody will settle it. One that was entrusted has no lease, and its own time
    alone decides. It becomes `in_doubt`, credits still held, so that a late answer can
    still settle it exactly. After `in_doubt_after` the rule decides: the customer pays
    nothing for what nobody can prove, and the call is listed with basis `in_doubt`. A
    call whose process turns out to live is left to it until its own time is up.

    No doubt is closed without `has_all_evidence`: while part of the spool is still to
    be replayed, the price of the call may be there.
    """
    doubted = _apply(
        Doubt(
            hold.id.hex,
            hold.account_id,
            CALLER_DIED,
            only_if_due=True,  # a job may be made of the call meanwhile
            dead_lease_id=hold.lease_id.hex if hold.lease_id else None,
        )
        for hold in _due()
    )
    closed = 0
    if has_all_evidence:
        closed = _apply(_closing(hold) for hold in _doubts_older_than(in_doubt_after))
    try:
        Lease.objects.filter(expires_at__lt=dialect.now() - timedelta(days=1)).delete()
    except DatabaseError:
        logger.exception("old leases stay")  # the next sweep clears them away
    if doubted or closed:
        logger.warning("%d holds came to doubt, %d doubts closed", doubted, closed)
    return {"doubted": doubted, "closed": closed}


def _closing(hold: Hold) -> Release:
    usage = Usage(basis=Basis.IN_DOUBT.value, cost_micros=0)
    return Release(hold.id.hex, hold.account_id, hold.reason, usage)


def _due() -> Iterable[Hold]:
    now = dialect.now()
    living = Lease.objects.filter(expires_at__gte=now).values("id")
    is_abandoned = Q(lease_id__isnull=False) & ~Q(lease_id__in=living)
    holds = Hold.objects.filter(Q(due_at__lt=now) | is_abandoned, state=HoldState.OPEN)
    holds = holds.filter(is_envelope=False)  # those end by `envelopes.expire_due`
    return holds.order_by("account_id", "id")


def _doubts_older_than(age: timedelta) -> Iterable[Hold]:
    """All but those whose process lives, though it was thought dead: it will tell."""
    now = dialect.now()
    living = Lease.objects.filter(expires_at__gte=now).values("id")
    is_told = Q(reason=CALLER_DIED, lease_id__in=living, due_at__gte=now)
    holds = Hold.objects.filter(state=HoldState.IN_DOUBT, changed_at__lte=now - age)
    return holds.exclude(is_told).order_by("account_id", "id")


def _apply(orders: Iterable[Order[Resolved]]) -> int:
    """How many holds this sweep itself changed."""
    waiting = list(orders)
    changed = 0
    for start in range(0, len(waiting), SWEEP_BATCH):
        # Another sweep, or the call itself, may have been faster: the ledger reads
        # each hold again under lock, and answers the slower one with a repeat.
        for outcome in ledger.commit(waiting[start : start + SWEEP_BATCH]):
            changed += isinstance(outcome, Resolved) and not outcome.repeat
    return changed
