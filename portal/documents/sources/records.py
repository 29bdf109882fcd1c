"""The ledger, top-ups and the audit trail, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain

import orjson

from billing.models import Grant, TopUp
from billing.models.grant import GrantSource
from billing.reports import ledger
from billing.reports.entries import lines_between
from billing.reports.explain import why_of
from billing.reports.periods import Range
from billing.values.amounts import credits_text
from portal.documents.columns import Column, Row, Source, Type
from portal.documents.labels import receipt_label
from portal.documents.sources import money
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
    Column("paid", Type.TIME),
    Column("id", Type.PLAIN),
    Column("receipt", Type.PLAIN),
    Column("status", Type.PLAIN),
    Column("amount_micros", Type.INT),
    Column("credits", Type.DECIMAL),
    Column("price", Type.DECIMAL),
    Column("tax", Type.DECIMAL),
    Column("paid_back", Type.DECIMAL),
    Column("currency", Type.PLAIN),
    Column("provider", Type.PLAIN),
    Column("buyer"),
    Column("tax_id"),
    Column("asked_by"),
    Column("reference"),
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
    """Credits that were bought: by receipt, then those that the operator granted as
    bought, of which there is none."""
    account_id = organization.account_id
    paid = TopUp.objects.filter(
        account_id=account_id, paid_at__gte=span.start, paid_at__lt=span.end
    ).order_by("receipt_number")
    granted = (
        Grant.objects.filter(
            account_id=account_id,
            source=GrantSource.PURCHASE,
            created_at__gte=span.start,
            created_at__lt=span.end,
        )
        .exclude(transfer__reference__startswith="grant:topup:")
        .select_related("transfer")
        .order_by("id")
    )
    rows = chain(
        map(_bought, paid.iterator(ROWS_AT_ONCE)),
        map(_granted, granted.iterator(ROWS_AT_ONCE)),
    )
    return Source(TOP_UPS, rows, paid.count() + granted.count())


def _bought(topup: TopUp) -> Row:
    money_of = partial(money.of_minor, currency=topup.currency)
    return (
        topup.paid_at,
        topup.public_id,
        receipt_label(topup),
        topup.status,
        topup.amount_micros,
        credits_text(topup.amount_micros),
        money_of(topup.price_minor),
        money_of(topup.tax_minor),
        money_of(topup.refunded_minor),
        topup.currency,
        topup.provider,
        topup.buyer_name,
        topup.buyer_tax_id,
        topup.asked_by,
        topup.payment_ref,
    )


def _granted(grant: Grant) -> Row:
    amount = (grant.amount_micros, credits_text(grant.amount_micros))
    reference = grant.transfer.reference.removeprefix("grant:")
    at = (grant.created_at, "", "", "granted")
    return (*at, *amount, None, None, None, "", "operator", "", "", "", reference)


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
