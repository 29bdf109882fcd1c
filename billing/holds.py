"""The ledger's one face: every order goes through here, and so does the sweep.

open → settled | released | in_doubt;  in_doubt → settled | released.
A hold that is due is *due for resolution*, never simply free again: the upstream may
have worked, and charged, while its caller died.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.db.models import Q

from billing.ledger import commit as ledger
from billing.ledger import spool as spool_files
from billing.ledger.writer import writer
from billing.models import Hold, Lease
from billing.models.hold import HoldState
from billing.models.usage import Basis
from billing.values import clock
from billing.values.errors import LedgerError
from billing.values.orders import (
    Doubt,
    Order,
    R,
    Release,
    Resolution,
    Resolved,
    Usage,
)

logger = logging.getLogger(__name__)

# Holds resolved in one transaction by the sweep: keeps it short for live calls.
SWEEP_BATCH = 100


async def submit(order: Order[R]) -> R:
    """Carry out one order, in one transaction with what other calls of this process
    submit at the same moment; its outcome, once that is durable.

    Raises: the refusal; LedgerError when the order makes no sense; LedgerUnavailable
    when the database does not answer: it is not known then whether the order was
    carried out, and it may be given again.
    """
    return await writer.submit(order)


def commit(orders: Sequence[Order[R]]) -> list[R | LedgerError]:
    """Carry out `orders`, in the order given, in one transaction: the caller's, or
    its own. For each its outcome, or the error that it alone met.

    The first resolution of a hold stands; later ones are answered as repeats. Give
    resolutions first: what they free can then be placed.

    Raises: LedgerUnavailable when nothing could be written at all.
    """
    return ledger.commit(orders)


def spool(order: Resolution) -> None:
    """Keep the end of a hold on this machine's disk, for `replay_spool`, while the
    database is gone. It is durable when this returns.

    Raises: OSError when it is not, and then nothing of it is kept.
    """
    spool_files.append(order)


def replay_spool() -> dict[str, int]:
    """Give the ledger what this machine has spooled; how many were `settled`,
    `repeats` (known already), `refused` for ever, and `left` for the next time."""
    return spool_files.replay()


def sweep(*, in_doubt_after: timedelta) -> dict[str, int]:
    """Resolve what is due; how many came to doubt, and how many doubts were closed.

    An open hold is due when its own time is up, or when its process's lease has run
    out: nobody will settle it. One that was entrusted has no lease, and its own time
    alone decides. It becomes `in_doubt`, credits still held, so that a
    late answer can still settle it exactly. After `in_doubt_after` the rule decides:
    the customer pays nothing for what nobody can prove, and the operator finds the
    call listed with basis `in_doubt`.
    """
    doubted = _apply(
        Doubt(
            hold.id.hex,
            hold.account_id,
            "caller_died",
            only_if_due=True,  # a job may be made of the call meanwhile
            dead_lease_id=hold.lease_id.hex if hold.lease_id else None,
        )
        for hold in _due()
    )
    closed = _apply(
        Release(
            hold.id.hex,
            hold.account_id,
            hold.reason,
            usage=Usage(basis=Basis.IN_DOUBT.value, cost_micros=0),
        )
        for hold in _doubts_older_than(in_doubt_after)
    )
    Lease.objects.filter(expires_at__lt=clock.now() - timedelta(days=1)).delete()
    if doubted or closed:
        logger.warning("%d holds came to doubt, %d doubts closed", doubted, closed)
    return {"doubted": doubted, "closed": closed}


def _due() -> Iterable[Hold]:
    now = clock.now()
    living = Lease.objects.filter(expires_at__gte=now).values("id")
    return (
        Hold.objects.filter(state=HoldState.OPEN)
        .filter(
            Q(due_at__lt=now) | (Q(lease_id__isnull=False) & ~Q(lease_id__in=living))
        )
        .order_by("account_id", "id")
        .iterator()
    )


def _doubts_older_than(age: timedelta) -> Iterable[Hold]:
    return (
        Hold.objects.filter(state=HoldState.IN_DOUBT, changed_at__lte=clock.now() - age)
        .order_by("account_id", "id")
        .iterator()
    )


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
