"""Celery's doors into the portal. They may run beside themselves."""

from __future__ import annotations

from celery import shared_task

from portal.notices import dispatch, sending
from portal.operator import bounds
from portal.signing_in import limits, sessions, sign_up
from portal.tenants import sightings


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
def forget_addresses() -> int:
    """Delete from where keys were used long ago; how many rows."""
    return sightings.forget_old()


@shared_task
def purge_sign_ins() -> int:
    """Delete sessions and counters whose time is over, and accounts whose address
    nobody proved; how many rows."""
    return limits.purge() + sessions.purge() + sign_up.purge_unproved()
