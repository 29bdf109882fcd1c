"""The ledger, top-ups and the audit trail, row by row."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from billing.models import Grant
from billing.models.grant import GrantSource
from billing.reports import ledger
from billing.reports.entries import lines_between
from billing.reports.explain import why_of
from billing.reports.periods import Range
from billing.values.amounts import credits_text
from portal.documents.columns import Column, Row, Source, Type
from portal.models import AuditEvent, Organization

LEDGER = (
    Column("entry", Type.INT),
    Column("time", Type.TIME),
    Column("why", Type.PLAIN),
    Column("amount_micros", Type.INT),
    Column("credits", Type.DECIMAL),
    Column("balance_micros", Type.INT),
    Column("balance", Type.DECIMAL),
    Column("request_id", Type.PLAIN),
    Column("operation", Type.PLAIN),
    Column("model"),
    Column("key"),
    Column("project"),
    Column("member"),
    Column("reference"),
    Column("transfer_id", Type.PLAIN),
)
TOP_UPS = (
    Column("time", Type.TIME),
    Column("reference"),
    Column("amount_micros", Type.INT),
    Column("credits", Type.DECIMAL),
    Column("expires", Type.TIME),
    Column("reason"),
)
AUDIT = (
    Column("number", Type.INT),
    Column("time", Type.TIME),
    Column("actor"),
    Column("action", Type.PLAIN),
    Column("target"),
    Column("detail"),
    Column("address", Type.PLAIN),
    Column("request_id", Type.PLAIN),
    Column("digest", Type.PLAIN),
    Column("chain", Type.PLAIN),
)
ROWS_AT_ONCE = 2000


def entries(organization: Organization, span: Range) -> Source:
    """Every entry of the organization's account, the oldest first."""
    found = ledger.span(organization.account_id, span.start, span.end)
    expected = found.closing.version - found.opening.version
    return Source(LEDGER, _entries(found), expected)


def _entries(found: ledger.Span) -> Iterator[Row]:
    lines = lines_between(
        found.account_id, found.opening.version, found.closing.version
    )
    for line in lines:
        yield (
            line.version,
            line.at,
            why_of(line.kind, line.source or None, line.correction or None).value,
            line.amount_micros,
            credits_text(line.amount_micros),
            line.balance_micros,
            credits_text(line.balance_micros),
            f"req_{line.hold_id.hex}" if line.hold_id else "",
            line.operation,
            line.model,
            line.spender_label,
            line.project_label,
            line.holder_label,
            line.reference,
            str(line.transfer_id),
        )


def top_ups(organization: Organization, span: Range) -> Source:
    """Credits that were bought."""
    found = (
        Grant.objects.filter(
            account_id=organization.account_id,
            source=GrantSource.PURCHASE,
            created_at__gte=span.start,
            created_at__lt=span.end,
        )
        .select_related("transfer")
        .order_by("id")
    )
    rows = (
        (
            grant.created_at,
            grant.transfer.reference.removeprefix("grant:"),
            grant.amount_micros,
            credits_text(grant.amount_micros),
            grant.expires_at,
            grant.reason,
        )
        for grant in found.iterator(ROWS_AT_ONCE)
    )
    return Source(TOP_UPS, rows, found.count())


def audit(organization: Organization, span: Range) -> Source:
    """The trail with its chain, so that it can be checked."""
    found = AuditEvent.objects.filter(
        organization=organization, at__gte=span.start, at__lt=span.end
    )
    return Source(AUDIT, _events(organization, span), found.count())


def _events(organization: Organization, span: Range) -> Iterator[Row]:
    after = 0
    while True:
        found = AuditEvent.objects.filter(
            organization=organization,
            at__gte=span.start,
            at__lt=span.end,
            number__gt=after,
        ).order_by("number")
        events = list(found[:ROWS_AT_ONCE])
        if not events:
            return
        for event in events:
            detail = orjson.dumps(event.detail, option=orjson.OPT_SORT_KEYS).decode()
            yield (
                event.number,
                event.at,
                event.actor_label,
                event.action,
                event.target,
                detail,
                event.ip_address or "",
                event.request_id,
                event.digest,
                event.chain,
            )
        after = events[-1].number or after
