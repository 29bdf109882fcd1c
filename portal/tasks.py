"""Celery's doors into the portal. They may run beside themselves."""

from __future__ import annotations

import logging

from celery import shared_task

from billing.payments import automatic, price_history, reconciliation
from billing.payments.errors import ProviderError
from billing.values.connection import snapshot
from portal.documents import making, schedules
from portal.notices import dispatch, mails, purging, sending
from portal.notices.watching import rounds
from portal.operator import bounds
from portal.signing_in import limits, sessions, sign_up
from portal.tenants import chain, refused, sightings

logger = logging.getLogger(__name__)


@shared_task
def tell_operator() -> int:
    """Write what the gateway paused into the audit trail; how many pauses."""
    return bounds.tell()


@shared_task
def dispatch_events() -> int:
    """Write down who is to be told of what happened; how many events."""
    return dispatch.dispatch_due()


@shared_task
def send_deliveries() -> int:
    """Send what is due to webhooks and chats; how many attempts."""
    return sending.send_due()


@shared_task
def send_mails() -> int:
    """Mail the alerts that wait; how many were sent."""
    return mails.send_due()


@shared_task
def watch_organizations() -> int:
    """Look for what people want to be told of; at how many organizations."""
    return rounds.watch_due()


@shared_task
def purge_notices() -> int:
    """Delete what was told long ago; how many rows."""
    return purging.purge()


@shared_task
def forget_addresses() -> int:
    """Delete from where keys were used long ago; how many rows."""
    return sightings.forget_old()


@shared_task
def forget_refused() -> int:
    """Delete what the gateway refused long ago; how many rows."""
    return refused.forget_old()


@shared_task
def verify_audit() -> int:
    """Prove every chain of the audit trail. Findings are logged as errors, one line
    each. How many."""
    with snapshot():
        count = 0
        for wrong in chain.wrong_everywhere():
            logger.error("audit trail: %s", wrong)
            count += 1
    return count


@shared_task
def purge_sign_ins() -> int:
    """Delete sessions and counters whose time is over, and accounts whose address
    nobody proved; how many rows."""
    return limits.purge() + sessions.purge() + sign_up.purge_unproved()


@shared_task
def reconcile_topups() -> dict[str, int]:
    """Ask payment providers for what their webhooks did not tell, and note what a
    credit costs by this worker's settings: those of a shell may be others."""
    price_history.note()
    return reconciliation.sweep()


@shared_task
def charge_topups() -> int:
    """Buy credits for who has agreed to it and has few left; how many charges."""
    return automatic.run_due()


@shared_task
def list_drift() -> int:
    """Log the top-ups that stand otherwise at their provider; how many."""
    try:
        found = reconciliation.drift()
    except ProviderError as error:
        logger.warning("no drift was looked for: %s", error)
        return 0
    for each in found:
        logger.error("topup_%s: %s, %s", each.topup_id.hex, each.ours, each.theirs)
    return len(found)


@shared_task
def make_exports() -> int:
    """Write the exports that wait; how many are ready."""
    return making.make_due()


@shared_task
def keep_exports() -> int:
    """Ask for scheduled exports, tell of those that are ready, delete what is over; how
    many of each together."""
    return schedules.start_due() + schedules.tell_due() + making.purge()
