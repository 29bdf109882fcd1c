"""Exports that are made again and again: of the day, week or month that is over."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.db.models import Max, QuerySet

from billing import outbox
from billing.reports.periods import Bucket, Range, day_of, days, floor
from billing.values import clock
from portal.documents import exports, files, focus_metadata, making, storage
from portal.documents.kinds import RIGHTS, WORDS, Format, Kind
from portal.models import (
    Every,
    Export,
    ExportSchedule,
    ExportState,
    Membership,
    Organization,
)
from portal.tenants import audit, policy, roles
from portal.tenants.errors import NotAllowed, PortalError, TooManyExports
from portal.tenants.roles import Permission

logger = logging.getLogger(__name__)

SCHEDULES_MAX = 20  # of one organization
TICK = timedelta(microseconds=1)
# The same day begins in one zone so much before it does in another, at most.
ZONES_APART = timedelta(hours=26)
SYSTEM = audit.Actor(None, "schedule")
BUCKETS = {Every.DAY: Bucket.DAY, Every.WEEK: Bucket.WEEK, Every.MONTH: Bucket.MONTH}


def of_organization(organization: Organization) -> QuerySet[ExportSchedule]:
    found = ExportSchedule.objects.filter(organization=organization)
    return found.select_related("created_by").order_by("id")


@transaction.atomic
def create(
    organization: Organization,
    kind: Kind,
    format: Format,
    every: Every,
    *,
    mails: bool,
    to_storage: bool,
    actor: audit.Actor,
) -> ExportSchedule:
    """Begins with the present day, week or month, which is exported when it is over.
    The link is mailed to who asks.

    Raises: NotAllowed, TooManyExports.
    """
    policy.require(actor, organization.pk, Permission.MANAGE_DOCUMENTS)
    if not any(exports.may(actor, organization, right) for right in RIGHTS[kind]):
        raise NotAllowed
    if of_organization(organization).count() >= SCHEDULES_MAX:
        raise TooManyExports("An organization has so many schedules at most.")
    zone = organization.account.time_zone
    begins = floor(clock.now(), BUCKETS[every], zone)
    made = ExportSchedule.objects.create(
        organization=organization,
        created_by=actor.user,
        kind=kind,
        format=format,
        every=every,
        mail_to=actor.user.email if mails and actor.user else "",
        to_storage=to_storage,
        next_day=begins.astimezone(ZoneInfo(zone)).date(),
    )
    audit.record(
        "export_schedule.create",
        actor=actor,
        organization=organization,
        target=f"schedule {made.pk}",
        kind=str(kind),
        format=str(format),
        every=str(every),
    )
    return made


@transaction.atomic
def delete(schedule: ExportSchedule, *, actor: audit.Actor) -> None:
    """Again it changes nothing. Raises: NotAllowed."""
    policy.require(actor, schedule.organization_id, Permission.MANAGE_DOCUMENTS)
    pk = schedule.pk
    found = ExportSchedule.objects.filter(pk=pk)
    Export.objects.filter(schedule=pk).update(schedule=None, to_tell=False)
    if not found.delete()[0]:
        return
    audit.record(
        "export_schedule.delete",
        actor=actor,
        organization=schedule.organization,
        target=f"schedule {pk}",
    )


def following(every: str, day: date) -> date:
    match every:
        case Every.DAY:
            return day + timedelta(days=1)
        case Every.WEEK:
            return day + timedelta(days=7)
        case _:
            return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def start_due() -> int:
    """Ask for what is over; how many exports. May run twice at once: a schedule has one
    export of each time. One whose maker may not see that any more is disabled."""
    started = 0
    enabled = ExportSchedule.objects.filter(disabled_at=None)
    for schedule in enabled.select_related("organization__account", "created_by"):
        started += _start(schedule)
    return started


def _start(schedule: ExportSchedule) -> int:
    after = following(schedule.every, schedule.next_day)
    zone = schedule.organization.account.time_zone
    span = days(zone, schedule.next_day, after - timedelta(days=1))
    if span.end > clock.now():
        return 0
    kind, format = Kind(schedule.kind), Format(schedule.format)
    if not _still_may(schedule, kind):
        _disable(schedule, kind)
        return 0
    try:
        with transaction.atomic():
            moved = ExportSchedule.objects.filter(
                pk=schedule.pk, next_day=schedule.next_day
            )
            if not moved.update(next_day=after):
                return 0
            exports.start(
                schedule.organization,
                kind,
                format,
                _after_the_last(schedule, span),
                actor=SYSTEM,
                schedule=schedule,
            )
    except (PortalError, IntegrityError) as error:
        logger.warning("schedule %d: nothing was asked for: %s", schedule.pk, error)
        return 0
    return 1


def _after_the_last(schedule: ExportSchedule, span: Range) -> Range:
    """Where the time zone was changed, it begins where the one before has ended: what
    is in the files together is in one of them."""
    before = schedule.exports.aggregate(until=Max("until"))["until"]
    if before is None or abs(before - span.start) > ZONES_APART or before >= span.end:
        return span
    return Range(before, span.end)


@transaction.atomic
def _disable(schedule: ExportSchedule, kind: Kind) -> None:
    """Nothing is exported any more, and those who may set it up anew are told."""
    now = clock.now()
    enabled = ExportSchedule.objects.filter(pk=schedule.pk, disabled_at=None)
    if not enabled.update(disabled_at=now):
        return
    maker, member = schedule.created_by, _member(schedule)
    audit.record(
        "export_schedule.disable",
        actor=SYSTEM,
        organization=schedule.organization,
        target=f"schedule {schedule.pk}",
        kind=str(kind),
        made_by=maker.email if maker else "",
    )
    outbox.emit(
        schedule.organization.account_id,
        "export_schedule.disabled",
        {
            "object": "export_schedule",
            "id": f"schedule_{schedule.pk}",
            "name": WORDS[kind],
            "kind": str(kind),
            "every": schedule.every,
            "made_by": maker.email if maker else "",
            "holder_id": member.unit_id if member else None,
        },
        key=f"schedule {schedule.pk} {now.isoformat()}",
    )
    logger.warning("schedule %d is disabled: its maker may not", schedule.pk)


def _still_may(schedule: ExportSchedule, kind: Kind) -> bool:
    """Whoever made it is still a member who may see that."""
    found = _member(schedule)
    role = found.role if found else ""
    return any(roles.may(role, right) for right in RIGHTS[kind])


def _member(schedule: ExportSchedule) -> Membership | None:
    if schedule.created_by is None:
        return None
    return schedule.organization.memberships.filter(
        user=schedule.created_by, disabled_at=None
    ).first()


def tell_due() -> int:
    """Mail the links of what is ready, and put the files into the bucket; how many.
    What fails is tried again until the file expires."""
    told = 0
    ready = Export.objects.filter(
        state=ExportState.READY, to_tell=True, schedule__isnull=False
    ).select_related("schedule__created_by", "organization__account")
    for export in ready.order_by("finished_at")[:50]:
        assert export.schedule is not None
        try:
            _put(export, export.schedule)
        except (storage.StorageDown, storage.StorageOff, FileNotFoundError) as error:
            logger.warning("export %s is not in the bucket: %s", export.pk, error)
            continue
        if Export.objects.filter(pk=export.pk, to_tell=True).update(to_tell=False):
            _mail(export, export.schedule)
            told += 1
    return told


def _put(export: Export, schedule: ExportSchedule) -> None:
    if schedule.to_storage:
        name = _place(export)
        storage.put_file(name, files.folder() / export.file)
        told = focus_metadata.of_export(export, name)
        if told is not None:
            storage.put_bytes(name + focus_metadata.ENDING, told)


def _place(export: Export) -> str:
    """By the first and the last day that it is of, so that what is exported each day
    and what is each month lie side by side."""
    zone = export.organization.account.time_zone
    first, last = (day_of(zone, each) for each in (export.since, export.until - TICK))
    days = f"{first}" if first == last else f"{first}_{last}"
    return f"{export.organization.slug}/{export.kind}/{days}.{export.format}"


def _mail(export: Export, schedule: ExportSchedule) -> None:
    kind = Kind(schedule.kind)
    if not schedule.mail_to or not _still_may(schedule, kind):
        return
    text = (
        f"{WORDS[kind]} of {export.organization.name}, from "
        f"{export.since:%Y-%m-%d %H:%M} until {export.until:%Y-%m-%d %H:%M} UTC, is "
        f"ready: {export.rows} rows.\n\n{making.url_of(export)}\n\n"
        f"SHA-256 {export.sha256}\nIt is kept until {export.expires_at:%Y-%m-%d}. "
        "You need to be signed in.\n"
    )
    subject = f"Export ready: {WORDS[kind]}"
    EmailMessage(subject, text, to=[schedule.mail_to]).send()
