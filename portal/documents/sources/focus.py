"""FOCUS, 1.2 and 1.4: cost and usage as finance reads it, and with 1.4 invoices and
billing periods.

Credits are paid for in advance: a receipt's lines have BilledCost and no EffectiveCost,
usage has EffectiveCost (its credits at the price of one credit then), no BilledCost. So
Σ BilledCost of an invoice is its receipt, and Σ x_CreditsMicros of usage is what the
ledger has. A receipt's number is its InvoiceId. What was paid back stands as a
correction of the receipt, in proportion to the credits that were taken back for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings

from billing import statements
from billing.models import Amendment, Correction, Grant, Statement, TopUp
from billing.models.amendment import AmendmentKind
from billing.models.correction import CorrectionState
from billing.models.topup import Dispute
from billing.payments import price_history, topups
from billing.payments.price_history import Price
from billing.reports import keys
from billing.reports.months import following, month_of, span_of
from billing.reports.periods import Range, day_of
from billing.reports.usage import Figures
from portal.documents.columns import Column, Row, Source
from portal.documents.sources import focus_columns
from portal.documents.sources.focus_rows import Charge, Values, Writer
from portal.documents.sources.usage import Names, named_lines
from portal.models import Organization

Group = tuple[Any, int, int, int, str, str]


def cost_and_usage_1_2(organization: Organization, span: Range) -> Source:
    columns = focus_columns.COLUMNS_1_2
    return Source(columns, _rows(columns, organization, span))


def cost_and_usage_1_4(organization: Organization, span: Range) -> Source:
    columns = focus_columns.COLUMNS_1_4
    return Source(columns, _rows(columns, organization, span))


def _rows(
    columns: tuple[Column, ...], organization: Organization, span: Range
) -> Iterator[Row]:
    names = [column.name for column in columns]
    for values in _charges(organization, span):
        yield tuple(values.get(name) for name in names)


def _charges(organization: Organization, span: Range) -> Iterator[Values]:
    writer = Writer(organization)
    for part, price in price_history.over(span):
        for charge in _usage(organization, part, writer, price):
            yield writer.usage(charge)
    for topup in topups.paid_between(organization.account_id, span.start, span.end):
        yield from writer.receipt(topup)
    for topup, at, minor, micros in _paid_back(organization, span):
        yield writer.paid_back(topup, at, minor, micros)
    for grant in _given(organization, span):
        yield writer.given(grant)


def _usage(
    organization: Organization, span: Range, writer: Writer, price: Price
) -> Iterator[Charge]:
    """Each day's lines, and what of them are corrections apart."""
    names, zone = Names(organization), writer.zone
    corrected = _corrected(organization, span, zone)
    for line in named_lines(organization, span, zone, names):
        group: Group = (
            *(line.day, line.key_id, line.project_id, line.holder_id),
            *(line.operation, line.model),
        )
        later = corrected.pop(group, None)
        charge = Charge(line, line.used, names, price, is_correction=False)
        if later is None:
            yield charge
            continue
        yield replace(charge, used=later, is_correction=True)
        first = Figures(
            line.used.requests - later.requests,
            line.used.prompt_tokens - later.prompt_tokens,
            line.used.completion_tokens - later.completion_tokens,
            line.used.charged_micros - later.charged_micros,
        )
        if first != Figures():
            yield replace(charge, used=first)


def _corrected(
    organization: Organization, span: Range, zone: str
) -> dict[Group, Figures]:
    """Second words that were posted in the range: few."""
    found: dict[Group, Figures] = defaultdict(Figures)
    posted = Correction.objects.filter(
        account_id=organization.account_id,
        state=CorrectionState.POSTED,
        ended_at__gte=span.start,
        ended_at__lt=span.end,
    )
    words = list(posted)
    firsts = keys.first_keys({word.spender_id for word in words})
    for word in words:
        assert word.ended_at is not None
        group = (
            day_of(zone, word.ended_at),
            firsts.get(word.spender_id, word.spender_id),
            word.project_id or 0,
            word.holder_id or 0,
            word.operation,
            word.model,
        )
        found[group] += Figures(
            word.requests,
            word.prompt_tokens,
            word.completion_tokens,
            word.charged_micros,
        )
    return dict(found)


def _paid_back(
    organization: Organization, span: Range
) -> Iterator[tuple[TopUp, datetime, int, int]]:
    """Of each receipt what was paid back in the range: when, in minor units, and for
    how many credits. All of what was paid back is said by the last of them."""
    bought = TopUp.objects.filter(
        account_id=organization.account_id, grant__isnull=False, changes__gt=0
    )
    for topup in bought.order_by("receipt_number"):
        taken = told = 0
        found = Amendment.objects.filter(
            account_id=organization.account_id,
            reference__startswith=f"topup:{topup.id.hex}:",
        )
        changes = list(found.order_by("noted_at", "id"))
        for amendment in changes:
            is_given = amendment.kind == AmendmentKind.CREDIT
            micros = -amendment.amount_micros if is_given else amendment.amount_micros
            taken += micros
            total = topup.total_minor * taken // topup.amount_micros
            if amendment is changes[-1]:
                total = _gone(topup)
            if span.start <= amendment.noted_at < span.end and (total != told):
                yield topup, amendment.noted_at, total - told, micros
            told = total


def _gone(topup: TopUp) -> int:
    """What of its money is paid back, or disputed, in minor units."""
    gone = topup.refunded_minor
    if topup.dispute in (Dispute.OPEN, Dispute.LOST):
        gone += topup.disputed_minor or topup.total_minor
    return min(gone, topup.total_minor)


def _given(organization: Organization, span: Range) -> Iterator[Grant]:
    """Credits without a receipt."""
    found = Grant.objects.filter(
        account_id=organization.account_id,
        created_at__gte=span.start,
        created_at__lt=span.end,
    ).exclude(id__in=TopUp.objects.filter(grant__isnull=False).values("grant_id"))
    return found.order_by("id").iterator(500)


# --- the other two of 1.4 -------------------------------------------------------------


def invoice_detail(organization: Organization, span: Range) -> Source:
    """A row each for the price and the tax of a receipt, and for what was paid back."""
    columns = focus_columns.INVOICE_DETAIL
    writer = Writer(organization)

    def rows() -> Iterator[Row]:
        for topup in topups.paid_between(organization.account_id, span.start, span.end):
            for values in writer.receipt(topup):
                yield writer.invoice_line(columns, topup, values, topup.paid_at)
        for topup, at, minor, micros in _paid_back(organization, span):
            values = writer.paid_back(topup, at, minor, micros)
            yield writer.invoice_line(columns, topup, values, at)

    return Source(columns, rows())


def billing_period(organization: Organization, span: Range) -> Source:
    """The months of the range, and whether each is closed."""
    zone = organization.account.time_zone
    closed = {
        row.month: row
        for row in Statement.objects.filter(
            account_id=organization.account_id, part=0
        ).order_by("number")
    }
    created = statements.first_instant(organization.account)

    def rows() -> Iterator[Row]:
        month, last = month_of(zone, span.start), month_of(zone, span.end)
        while month <= last:
            row = closed.get(month)
            period = Range(row.starts_at, row.ends_at) if row else span_of(zone, month)
            if period.start < span.end:
                yield (
                    max(period.start, min(created, period.end)),
                    period.end,
                    row.closed_at if row else min(span.end, period.end),
                    period.start,
                    "Closed" if row else "Open",
                    settings.OPERATOR_NAME,
                )
            month = following(month)

    return Source(focus_columns.BILLING_PERIOD, rows())
