"""The operator's word on what calls taught: let them go on, believe the tariff again.

Learning itself is the ledger's (`ledger.bounds`), in the transaction of each charge.
"""

from __future__ import annotations

from django.db import transaction

from billing.ledger import dialect
from billing.models import LearnedBound, Pause
from billing.reports.bounds import borne_today


def release(pause_id: int) -> Pause:
    """End a pause. What was borne until now does not count again today.

    Raises: Pause.DoesNotExist for one that does not stand.
    """
    with transaction.atomic():
        standing = Pause.objects.select_for_update().filter(released_at__isnull=True)
        pause = standing.get(id=pause_id)
        pause.accepted_micros = borne_today(pause)
        pause.released_at = dialect.now()
        pause.save(update_fields=["accepted_micros", "released_at"])
        return pause


def forget(bound_id: int) -> LearnedBound:
    """Believe the tariff again about this kind of call, whatever its size; what was
    known until now.

    Raises: LearnedBound.DoesNotExist.
    """
    with transaction.atomic():
        known = LearnedBound.objects.select_for_update().get(id=bound_id)
        LearnedBound.objects.filter(
            operation=known.operation, model=known.model, shape=known.shape
        ).delete()
        return known


def has_untold() -> bool:
    """Whether there is a pause that the operator was not told of."""
    return Pause.objects.filter(told_at__isnull=True).exists()


def take_untold() -> list[Pause]:
    """Pauses that the operator was not told of, each given once: call it in the
    transaction that tells him."""
    rows = Pause.objects.select_for_update().filter(told_at__isnull=True)
    untold = list(rows.order_by("id"))
    Pause.objects.filter(id__in=[pause.id for pause in untold]).update(
        told_at=dialect.now()
    )
    return untold
