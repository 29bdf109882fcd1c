"""Months as documents: closing them, reading them, and month-end in one go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from django.db import transaction

from billing import statements
from billing.models import Statement
from billing.reports import statement as figures
from billing.reports.day_lines import day_lines
from billing.reports.months import month_of, span_of
from billing.reports.periods import Range
from billing.reports.statement import month_figures
from billing.reports.usage import Chosen
from billing.statements import NotClosable
from billing.values import clock
from billing.values.connection import snapshot
from portal.documents import exports
from portal.documents.kinds import Format, Kind
from portal.models import Export, Organization
from portal.tenants import audit, policy
from portal.tenants.errors import MonthNotClosable
from portal.tenants.roles import Permission

SECONDS = 30  # that reading a month may take
FOCUS = (Kind.FOCUS, Kind.FOCUS_1_4, Kind.FOCUS_INVOICES, Kind.FOCUS_PERIODS)


@dataclass(frozen=True, slots=True)
class Document:
    """A statement, closed or not; the project's name where it is of one."""

    figures: dict[str, Any]
    number: str  # "" while the month is open
    project: str = ""

    @property
    def is_closed(self) -> bool:
        return bool(self.number)


@dataclass(frozen=True, slots=True)
class MonthEnd:
    """What was done: the month's statements, the exports that were asked for, and what
    usage by day differs from the ledger by: nothing."""

    documents: list[Document]
    exports: list[Export]
    difference_micros: int


def close(
    organization: Organization, month: str, *, actor: audit.Actor
) -> list[Statement]:
    """Close it, and what is open before it; again it changes nothing.

    Raises: NotAllowed; MonthNotClosable; AccountLocked.
    """
    with transaction.atomic():
        policy.require(actor, organization.pk, Permission.MANAGE_DOCUMENTS)

    def record(of: Statement) -> None:
        policy.require(actor, organization.pk, Permission.MANAGE_DOCUMENTS)
        audit.record(
            "statement.close",
            actor=actor,
            organization=organization,
            target=of.label,
            month=of.month,
            digest=of.digest,
        )

    try:
        return statements.close(
            organization.account_id,
            month,
            name=organization.name,
            and_then=record,
        )
    except (ValueError, NotClosable) as refusal:
        raise MonthNotClosable(f"{refusal}.") from refusal


def documents_of(organization: Organization, month: str) -> list[Document]:
    """Of the month: the organization's, then its projects'. While it is open: as it
    would be if it ended now.

    Raises: MonthNotClosable for a month that has not begun, or is before the first.
    """
    found = statements.of_month(organization.account_id, month)
    if found:
        return [_closed(organization, row) for row in found]
    account = organization.account
    try:
        span = span_of(account.time_zone, month)
    except ValueError as refusal:
        raise MonthNotClosable(f"{refusal}.") from refusal
    now = clock.now()
    first = month_of(account.time_zone, statements.first_instant(account))
    if span.start > now or month < first:
        raise MonthNotClosable(f"There is no statement of {month}.")
    span = statements.span_to_close(account, month)
    span = Range(span.start, min(span.end, max(now, span.start)))
    with snapshot(SECONDS):
        of = month_figures(account, month, span, name=organization.name)
    made = [figures.of_organization(of)]
    made += [figures.of_project(of, each) for each in of.projects]
    extra = {"status": "open", "number": None, "slug": organization.slug}
    return [
        Document({**each, **extra}, "", str(each.get("project", ""))) for each in made
    ]


def _closed(organization: Organization, row: Statement) -> Document:
    found: dict[str, Any] = orjson.loads(row.figures)
    found |= {
        "status": "closed",
        "number": row.label,
        "slug": organization.slug,
        "digest": row.digest,
        "previous": row.previous,
        "closed_at": figures.time_text(row.closed_at),
    }
    return Document(found, row.label, str(found.get("project", "")))


def difference_to_ledger(organization: Organization, month: str) -> int:
    """What the lines of days, which FOCUS and exports are made of, come to beyond what
    the statement says, in microcredits."""
    [of, *_] = statements.of_month(organization.account_id, month)
    said: dict[str, Any] = orjson.loads(of.figures)
    span = Range(of.starts_at, of.ends_at)
    lines = day_lines(Chosen(organization.account_id), span, of.zone)
    charged = sum(line.used.charged_micros for line in lines)
    gap: int = said["gap_micros"]
    return charged - int(said["charged_micros"]) + gap


def end_month(
    organization: Organization, month: str, *, actor: audit.Actor
) -> MonthEnd:
    """Close it, and ask for its FOCUS files, if nobody has.

    Raises: NotAllowed; MonthNotClosable; AccountLocked; TooManyExports.
    """
    of, *_ = close(organization, month, actor=actor)
    span = Range(of.starts_at, of.ends_at)
    asked = [
        exports.standing(organization, kind, Format.CSV, span)
        or exports.start(organization, kind, Format.CSV, span, actor=actor)
        for kind in FOCUS
    ]
    return MonthEnd(
        documents_of(organization, month),
        asked,
        difference_to_ledger(organization, month),
    )
