"""The ledger: every entry of the organization's account, with the balance after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from billing.reports import ledger
from billing.reports.entries import LedgerLine
from billing.reports.explain import Line, Why, why_of
from billing.reports.ledger import Span
from billing.values import numbers
from portal.pages.money.explain import WORDS
from portal.pages.money.instants import written
from portal.pages.parts import filters, frame, keyset, tables
from portal.pages.parts.filters import Choice
from portal.pages.parts.query import changed
from portal.pages.parts.tables import Column, Kind, Table
from portal.tenants import tenancy
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

SIZE = 50


@dataclass(frozen=True, slots=True)
class Row:
    """An entry, and why it was made."""

    line: LedgerLine
    why: Why

    @property
    def label(self) -> str:
        return WORDS[self.why][0]

    @property
    def request_id(self) -> str | None:
        hold_id = self.line.hold_id
        return f"req_{hold_id.hex}" if hold_id else None

    @property
    def what(self) -> str:
        """The call, or what else it was for."""
        return self.line.model or self.line.reference


class Reason(NamedTuple):
    """What the balance changed by for one reason; `url` is the list of its entries."""

    line: Line
    label: str
    meaning: str
    url: str
    is_current: bool


class Entries:
    """The entries of a span, as a feed of a table."""

    def __init__(self, span: Span, why: Why | None) -> None:
        self.span, self.why = span, why

    def cut(self, size: int, *, after: str, before: str) -> keyset.Slice:
        """Cursors are versions: a number that is none of ours shows other entries of
        the same account."""
        if above := version_of(before):
            found = ledger.page_above(self.span, size + 1, above, why=self.why)
            shown = found[-size:]
            earlier = str(shown[0].version) if len(found) > size else ""
            last = str(shown[-1].version) if shown else ""
            return keyset.Slice(shown, last, earlier)
        below = version_of(after)
        found = ledger.page(self.span, size + 1, why=self.why, below=below)
        shown = found[:size]
        later = str(shown[-1].version) if len(found) > size else ""
        first = str(shown[0].version) if shown and below else ""
        return keyset.Slice(shown, later, first)

    def chunks(self) -> Iterator[list[LedgerLine]]:
        return ledger.chunks(self.span, self.why)


def version_of(text: str) -> int | None:
    return numbers.whole(text, most=numbers.ID_MAX)


TABLE = Table(
    name="ledger",
    caption="The latest first; the balance is what there was after each entry",
    columns=(
        Column("number", "Entry", "line.version", Kind.COUNT),
        Column("time", "Time", "line.at", Kind.TIME),
        Column("why", "Why", "label", filters="why", filters_to="why.value"),
        Column("kind", "", "line.kind", is_in_page=False),
        Column("what", "For", "what", link="request", link_to="request_id"),
        Column("key", "Key", "line.spender_label"),
        Column("project", "Project", "line.project_label"),
        Column(
            "amount",
            "Credits",
            "line.amount_micros",
            Kind.CREDITS,
            template="ledger/signed.html",
        ),
        Column("balance", "Balance", "line.balance_micros", Kind.CREDITS),
        Column("operation", "", "line.operation", is_in_page=False),
        Column("holder", "", "line.holder_label", is_in_page=False),
        Column("request_id", "", "request_id", is_in_page=False),
        Column("reference", "", "line.reference", is_in_page=False),
        Column("transfer_id", "", "line.transfer_id", is_in_page=False),
    ),
    sort="",
    size=SIZE,
    empty="Nothing was booked in this time.",
)


@require_safe
@tenancy.page(Permission.SEE_MONEY)
def ledger_page(request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
    """The range's opening and closing, what lies between them, and every entry."""
    options = [(each.value, WORDS[each][0]) for each in Why]
    fields = (filters.Range("30d"), Choice("why", "Why", options))
    bar = filters.read(request.GET, frame.zone_of(tenant), fields)
    why = Why(bar.get("why")) if bar.get("why") else None
    account_id = tenant.organization.account_id
    span = ledger.span(account_id, bar.span.since, bar.span.until)
    entries = Entries(span, why)
    if tables.wants_csv(request):
        return TABLE.csv(request, entries, prepare=rows)
    reasons = ledger.reasons(span)
    context = {
        "filters": bar,
        "span": span,
        "reasons": [_reason(request, line, why) for line in reasons],
        "listing": TABLE.show(
            request, entries, prepare=rows, totals=_totals(span, reasons, why)
        ),
        "explain_url": explain_url(tenant, bar.span.since, bar.span.until),
    }
    return frame.show(request, tenant, "ledger/ledger.html", context)


def rows(lines: list[LedgerLine]) -> Sequence[Row]:
    return [
        Row(line, why_of(line.kind, line.source or None, line.correction or None))
        for line in lines
    ]


def _reason(request: HttpRequest, line: Line, why: Why | None) -> Reason:
    label, meaning = WORDS[line.why]
    is_current = line.why == why
    url = (
        changed(request.GET, "why")
        if is_current
        else changed(request.GET, why=line.why.value)
    )
    return Reason(line, label, meaning, url, is_current)


def _totals(span: Span, reasons: list[Line], why: Why | None) -> Mapping[str, Any]:
    if why is None:
        return {"amount": span.difference_micros}
    return {"amount": sum(each.amount_micros for each in reasons if each.why == why)}


def explain_url(tenant: Tenant, since: datetime, until: datetime) -> str:
    """Of the same range, as far as it is past; in the organization's time."""
    zone = frame.zone_of(tenant)
    ends = {"from": since, "until": min(until, timezone.now())}
    url = reverse("explain", args=[tenant.organization.slug])
    return f"{url}?{urlencode({name: written(at, zone) for name, at in ends.items()})}"
