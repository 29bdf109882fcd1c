"""Asking for exports. The worker makes them (`making.py`); whoever may see what is in
one may fetch it, by an id that nobody can guess."""

from __future__ import annotations

from datetime import date

from django.db import transaction
from django.db.models import QuerySet

from billing.reports.periods import Range
from billing.values import clock
from portal.documents import ranges, write
from portal.documents.kinds import RIGHTS, Format, Kind
from portal.models import Export, ExportSchedule, ExportState, Organization
from portal.tenants import audit, policy, roles
from portal.tenants.errors import FormatNotHere, NotAllowed, TooManyExports
from portal.tenants.roles import Permission

UNFINISHED_MAX = 20  # of one organization


def ask(
    organization: Organization,
    kind: Kind,
    format: Format,
    first: date,
    last: date,
    *,
    actor: audit.Actor,
) -> Export:
    """A new export of whole days, in the organization's time zone.

    Raises: NotAllowed; ValidationError for `from` or `to`; FormatNotHere;
    TooManyExports.
    """
    span = ranges.span_of(organization, first, last, clock.now())
    return start(organization, kind, format, span, actor=actor)


@transaction.atomic
def start(
    organization: Organization,
    kind: Kind,
    format: Format,
    span: Range,
    *,
    actor: audit.Actor,
    schedule: ExportSchedule | None = None,
) -> Export:
    """The same of any range that is past. Raises: NotAllowed, FormatNotHere,
    TooManyExports."""
    if not any(may(actor, organization, right) for right in RIGHTS[kind]):
        raise NotAllowed
    try:
        write.refuse_missing(format)
    except write.FormatMissing as missing:
        raise FormatNotHere(str(missing)) from missing
    waiting = Export.objects.filter(
        organization=organization,
        state__in=[ExportState.QUEUED, ExportState.RUNNING],
    )
    if waiting.count() >= UNFINISHED_MAX:
        raise TooManyExports
    made = Export.objects.create(
        organization=organization,
        created_by=actor.user,
        schedule=schedule,
        kind=kind,
        format=format,
        since=span.start,
        until=span.end,
        created_at=clock.now(),
        to_tell=schedule is not None,
    )
    audit.record(
        "export.ask",
        actor=actor,
        organization=organization,
        target=str(made.pk),
        kind=str(kind),
        format=str(format),
        since=span.start.isoformat(),
        until=span.end.isoformat(),
    )
    return made


def may(actor: audit.Actor, organization: Organization, right: Permission) -> bool:
    try:
        policy.require(actor, organization.pk, right)
    except NotAllowed:
        return False
    return True


def visible(organization: Organization, role: str) -> QuerySet[Export]:
    """Those whose content somebody of that role may see, the latest first."""
    kinds = kinds_for(role)
    found = Export.objects.filter(organization=organization, kind__in=kinds)
    return found.select_related("created_by", "schedule").order_by("-created_at", "-id")


def kinds_for(role: str) -> list[Kind]:
    return [
        kind
        for kind, rights in RIGHTS.items()
        if any(roles.may(role, right) for right in rights)
    ]


def standing(
    organization: Organization, kind: Kind, format: Format, span: Range
) -> Export | None:
    """One of just that, which is ready or being made."""
    found = Export.objects.filter(
        organization=organization,
        kind=kind,
        format=format,
        since=span.start,
        until=span.end,
        state__in=[ExportState.QUEUED, ExportState.RUNNING, ExportState.READY],
    )
    return found.order_by("-created_at").first()
