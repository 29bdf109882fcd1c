"""Alerts by mail: who gets one, written with the event's dispatch, sent beside it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import Count

from billing.models import Event
from billing.values import clock
from portal.models import MailState, Membership, NoticeMail, Organization
from portal.notices import alerts, words

# An organization's in a day: whatever goes wrong, nobody is flooded.
A_DAY_MAX = 200
AT_ONCE = 20
RUNS_MAX = 50
PAUSES = (60, 300, 1800, 7200)  # seconds
# Longer than a mail server may take (EMAIL_TIMEOUT for each of its steps).
CLAIM = timedelta(seconds=180)

logger = logging.getLogger(__name__)


def write(events: Sequence[Event]) -> None:
    """Mails for those who are to be told. Call it in the transaction that dispatches
    the events."""
    told = [event for event in events if event.type in alerts.BY_TYPE]
    if not told:
        return
    found = Organization.objects.filter(
        account_id__in={event.account_id for event in told}
    )
    by_account = {each.account_id: each for each in found}
    now = clock.now()
    rows: list[NoticeMail] = []
    for account_id, organization in by_account.items():
        mine = [event for event in told if event.account_id == account_id]
        left = A_DAY_MAX - _written_since(organization, now - timedelta(days=1))
        rows.extend(list(_rows(organization, mine, now))[: max(0, left)])
    NoticeMail.objects.bulk_create(rows, ignore_conflicts=True)


def _written_since(organization: Organization, since: datetime) -> int:
    mails = NoticeMail.objects.filter(organization=organization, created_at__gt=since)
    return mails.aggregate(number=Count("pk"))["number"] or 0


def _rows(
    organization: Organization, events: Iterable[Event], now: datetime
) -> Iterable[NoticeMail]:
    chosen = alerts.settings_of(organization.id)
    members = organization.memberships.filter(disabled_at=None).select_related("user")
    everybody = list(members)
    for event in events:
        kind = alerts.BY_TYPE[event.type]
        if not chosen[kind.name].is_on:
            continue
        for address in _addresses(kind, event, everybody):
            yield NoticeMail(
                event=event,
                organization=organization,
                address=address,
                created_at=now,
                next_at=now,
            )


def _addresses(
    kind: alerts.Kind, event: Event, members: Iterable[Membership]
) -> list[str]:
    holder = event.data.get("holder_id") if kind.tells_holder else None
    asked_by = event.data.get("asked_by")
    return [
        member.user.email
        for member in members
        if (member.role in kind.roles or member.unit_id == holder)
        and member.user.email != asked_by
    ]


def send_due() -> int:
    """Send what waits; how many were sent. Killed anywhere, a mail may come twice."""
    sent = 0
    for _ in range(RUNS_MAX):
        found = _claim()
        for mail in found:
            sent += _send(mail)
        if len(found) < AT_ONCE:
            break
    return sent


@transaction.atomic
def _claim() -> list[NoticeMail]:
    now = clock.now()
    due = NoticeMail.objects.filter(state=MailState.PENDING, next_at__lte=now)
    rows = due.select_related("event", "organization").order_by("next_at", "id")
    found = list(rows.select_for_update(skip_locked=True, of=("self",))[:AT_ONCE])
    ids = [mail.pk for mail in found]
    NoticeMail.objects.filter(pk__in=ids).update(next_at=now + CLAIM)
    return found


def _send(mail: NoticeMail) -> int:
    try:
        # Not the backend of pages, which tells nobody whether it was sent.
        connection: Any = get_connection(settings.MAIL_BACKEND)
        connection.send_messages([message_of(mail)])
    except Exception as error:  # noqa: BLE001  whatever a mail server does
        logger.error("alert %s: not mailed: %s", mail.pk, type(error).__name__)
        _put_off(mail, type(error).__name__)
        return 0
    NoticeMail.objects.filter(pk=mail.pk).update(
        state=MailState.SENT, tries=mail.tries + 1
    )
    return 1


def _put_off(mail: NoticeMail, why: str) -> None:
    row = NoticeMail.objects.filter(pk=mail.pk)
    if mail.tries >= len(PAUSES):
        row.update(state=MailState.FAILED, tries=mail.tries + 1, why=why[:60])
        return
    due = clock.now() + timedelta(seconds=PAUSES[mail.tries])
    row.update(next_at=due, tries=mail.tries + 1, why=why[:60])


def message_of(mail: NoticeMail) -> EmailMessage:
    told = words.of_event(mail.event, mail.organization)
    name = mail.organization.name
    subject = " ".join(f"{name}: {told.subject}".split())
    page = f"{settings.PUBLIC_URL}/o/{mail.organization.slug}/alerts/"
    body = (
        f"{told.text}\n\n{told.url}\n\n"
        f"You get this because of your role in {name}. Owners, admins and billing say "
        f"at {page} of what people are told.\n"
    )
    return EmailMessage(subject, body, settings.DEFAULT_FROM_EMAIL, [mail.address])
