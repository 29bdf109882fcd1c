"""Statements: the list of months, one month as page, JSON and PDF, and month-end."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from billing import statements
from billing.models import Statement, TopUp
from billing.reports.months import month_of
from billing.values import clock
from billing.values.errors import AccountLocked
from portal.documents import months, pdf
from portal.documents.months import Document
from portal.documents.words import SUMS, lines_of, shares_of
from portal.pages.parts import frame
from portal.tenants import audit, tenancy
from portal.tenants.errors import MonthNotClosable, TooManyExports
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

MONTHS_SHOWN = 60
SHARES_SHOWN = 100


class Month(NamedTuple):
    """A row of the list: closed, or to be closed."""

    month: str
    number: str
    opening_micros: int | None
    closing_micros: int | None
    is_over: bool


@require_safe
@tenancy.page(Permission.SEE_MONEY)
def statement_list(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """The months that are closed, the one that runs, and the one to close next."""
    account = tenant.organization.account
    closed = Statement.objects.filter(account_id=account.id, part=0)
    rows = [
        Month(row.month, row.label, row.opening_micros, row.closing_micros, True)
        for row in closed.order_by("-number")[:MONTHS_SHOWN]
    ]
    running, following = (
        month_of(account.time_zone, clock.now()),
        statements.next_month(account),
    )
    to_close = following if following < running else ""
    if to_close:
        rows.insert(0, Month(to_close, "", None, None, True))
    rows.insert(0, Month(running, "", None, None, False))
    context = {
        "rows": rows,
        "to_close": to_close,
        "may_close": tenant.may(Permission.MANAGE_DOCUMENTS),
        "receipts": _receipts(account.id),
    }
    return frame.show(request, tenant, "statements/list.html", context)


def _receipts(account_id: int) -> list[TopUp]:
    paid = TopUp.objects.filter(account_id=account_id, receipt_number__isnull=False)
    return list(paid.order_by("-receipt_number")[:MONTHS_SHOWN])


@require_safe
@tenancy.page(Permission.SEE_MONEY)
def statement_page(request: HttpRequest, tenant: Tenant, month: str) -> HttpResponse:
    found = _documents(tenant, month)
    context = {
        "month": month,
        "documents": [_shown(each) for each in found],
        "is_closed": found[0].is_closed,
    }
    return frame.show(request, tenant, "statements/statement.html", context)


@require_safe
@tenancy.page(Permission.SEE_MONEY)
def statement_json(request: HttpRequest, tenant: Tenant, month: str) -> HttpResponse:
    found = _documents(tenant, month)
    return _file(pdf.as_json(found), "application/json", tenant, month, "json")


@require_safe
@tenancy.page(Permission.SEE_MONEY)
def statement_pdf(request: HttpRequest, tenant: Tenant, month: str) -> HttpResponse:
    content = pdf.statement(_documents(tenant, month))
    return _file(content, "application/pdf", tenant, month, "pdf")


@require_safe
@tenancy.page(Permission.SEE_MONEY)
def receipt_pdf(request: HttpRequest, tenant: Tenant, number: int) -> HttpResponse:
    """Of a top-up of the organization's own."""
    topup = get_object_or_404(
        TopUp,
        account_id=tenant.organization.account_id,
        receipt_number=number,
    )
    content = pdf.receipt(tenant.organization, topup)
    return _file(content, "application/pdf", tenant, f"receipt-{number}", "pdf")


@tenancy.page(Permission.MANAGE_DOCUMENTS)
@require_POST
def month_end(request: HttpRequest, tenant: Tenant, month: str) -> HttpResponse:
    """One click: closed, its statements, FOCUS, and the difference to the ledger."""
    organization = tenant.organization
    try:
        done = months.end_month(organization, month, actor=audit.actor_of(request))
    except (MonthNotClosable, TooManyExports) as refusal:
        messages.error(request, str(refusal))
        return redirect("statements", organization.slug)
    except AccountLocked:
        messages.error(request, "The ledger is busy: try again in a moment.")
        return redirect("statements", organization.slug)
    words = f"{month} is closed: {done.documents[0].number}. Its FOCUS files are made."
    if done.difference_micros:
        messages.error(request, f"{words} But it does not add up: tell the operator.")
    else:
        messages.success(request, f"{words} Difference to the ledger: 0.")
    return redirect("statement", organization.slug, month)


def _documents(tenant: Tenant, month: str) -> list[Document]:
    """Raises: Http404 for a month that there is not."""
    try:
        return months.documents_of(tenant.organization, month)
    except MonthNotClosable:
        raise Http404 from None


def _file(
    content: bytes, type_: str, tenant: Tenant, name: str, ending: str
) -> HttpResponse:
    answer = HttpResponse(content, content_type=type_)
    file = f"{tenant.organization.slug}-{name}.{ending}"
    answer["Content-Disposition"] = f'attachment; filename="{file}"'
    return answer


def _shown(of: Document) -> dict[str, Any]:
    found = of.figures
    shares = [
        (heading, rows[:SHARES_SHOWN], max(0, len(rows) - SHARES_SHOWN))
        for heading, rows in shares_of(found)
    ]
    return {
        "number": of.number,
        "project": of.project,
        "digest": found.get("digest", ""),
        "gap_micros": found["gap_micros"],
        "sums": [
            (label, found[f"{name}_micros"], name in ("usage", "expiry"))
            for name, label in SUMS
            if f"{name}_micros" in found
        ],
        "lines": lines_of(found),
        "shares": shares,
    }
