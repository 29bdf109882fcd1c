"""What is paused because the operator bore too much, what calls cost beyond the tariff,
and the operator's word on both.

The gateway pauses by itself and asks nobody. `tell` writes that into the audit trail,
so that the organization reads it too; `release` says that the operator has looked.
"""

from __future__ import annotations

import logging

from django.db import transaction

from billing import bounds
from billing.models import LearnedBound, Pause
from billing.reports import bounds as reports
from billing.values.amounts import credits_text
from portal.models import Organization
from portal.tenants import audit, policy, reasons
from portal.tenants.errors import PortalError

logger = logging.getLogger(__name__)

GATEWAY = audit.Actor(None, "gateway")


class NothingToDo(PortalError):
    """There is no such pause or learned bound, or no reason. Nothing was written."""


def paused() -> list[tuple[Pause, str]]:
    """Every pause that stands, the longest first, each with its organization's slug."""
    return _with_slugs(reports.standing_pauses())


def learned() -> list[LearnedBound]:
    """Every kind of call that cost more than the tariff says, the latest first."""
    return reports.learned_bounds()


def _with_slugs(pauses: list[Pause]) -> list[tuple[Pause, str]]:
    accounts = [pause.account_id for pause in pauses if pause.account_id is not None]
    found = Organization.objects.filter(account_id__in=accounts)
    slugs = dict(found.values_list("account_id", "slug"))
    return [(pause, slugs.get(pause.account_id or 0, "")) for pause in pauses]


def release(pause_id: int, *, reason: str, actor: audit.Actor) -> tuple[Pause, str]:
    """Let the calls of a model or an organization go on: the pause, and the slug.

    Raises: NotAllowed, NothingToDo; nothing was written then.
    """
    policy.require_operator(actor)
    reason = reasons.clean(reason, NothingToDo)
    with transaction.atomic():
        try:
            pause = bounds.release(pause_id)
        except Pause.DoesNotExist:
            raise NothingToDo(f"pause_{pause_id} does not stand.") from None
        _record("bounds.release", pause, actor, reason=reason)
    [found] = _with_slugs([pause])
    return found


def forget(bound_id: int, *, reason: str, actor: audit.Actor) -> LearnedBound:
    """Believe the tariff again about one kind of call; what was known of it.

    Raises: NotAllowed, NothingToDo; nothing was written then.
    """
    policy.require_operator(actor)
    reason = reasons.clean(reason, NothingToDo)
    with transaction.atomic():
        try:
            known = bounds.forget(bound_id)
        except LearnedBound.DoesNotExist:
            raise NothingToDo(f"There is no bound_{bound_id}.") from None
        audit.record(
            "bounds.forget",
            actor=actor,
            target=f"bound_{bound_id}",
            reason=reason,
            operation=known.operation,
            model=known.model,
            shape=known.shape,
            size=known.size,
            factor_ppb=known.factor_ppb,
        )
        return known


def tell() -> int:
    """Write new pauses into the audit trail, each once; how many there were."""
    if not bounds.has_untold():  # no lock is taken for nothing
        return 0
    with transaction.atomic():
        untold = bounds.take_untold()
        for pause in untold:
            _record("bounds.pause", pause, GATEWAY)
    for pause in untold:
        logger.error(
            "pause_%d stands since %s: see manage.py bounds",
            pause.id,
            pause.paused_at.isoformat(timespec="seconds"),
        )
    return len(untold)


def _record(action: str, pause: Pause, actor: audit.Actor, **detail: str) -> None:
    organization = None
    if pause.account_id is not None:
        organization = Organization.objects.filter(account_id=pause.account_id).first()
    audit.record(
        action,
        actor=actor,
        organization=organization,
        target=f"pause_{pause.id}",
        operation=pause.operation,
        model=pause.model,
        borne_credits=credits_text(pause.borne_micros),
        **detail,
    )
