"""*Explain my balance*: two instants, and every reason why they differ; as a page, as
JSON, and as a bundle that an auditor checks offline."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from billing.reports import bundle
from billing.reports.explain import Explanation, Line, Share, Why, explain
from billing.reports.usage import Dimension
from portal.pages.money import links
from portal.pages.money.instants import InstantField, written
from portal.pages.parts import frame
from portal.pages.parts.exports import Download
from portal.tenants import tenancy
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

# The head of so many entries is made for every reader; of more, for whoever asks.
ENTRIES_HASHED = 2000
SHOWN = 100  # of each dimension; the rest is one row, and all are in the JSON

WORDS = {
    Why.PURCHASE: ("Credits bought", "Top-ups, in full."),
    Why.PROMOTION: ("Promotional credits", "Granted by the operator."),
    Why.TRIAL: ("Trial credits", "Granted by the operator to try things out."),
    Why.ADJUSTMENT: ("Granted by adjustment", "Granted by the operator's word."),
    Why.CREDIT: ("Credited", "Given by the operator, with a reason."),
    Why.USAGE: ("Calls", "What calls were charged when they ended."),
    Why.CORRECTION: ("Corrected prices", "Calls whose price was set right later."),
    Why.REFUND: ("Refunds", "What calls had cost, given back."),
    Why.EXPIRE: ("Expired", "What was left of grants whose time had come."),
    Why.DEBIT: ("Debited", "Taken by the operator, with a reason."),
    Why.REVERSAL: ("Grants taken back", "What was left of them."),
    Why.CLAWBACK: ("Taken back", "Of grants that were spent or not paid for."),
    Why.REPAYMENT: ("Debt paid", "New credits pay what is owed first."),
}
HEADINGS = {
    Dimension.MODEL: "By model",
    Dimension.KEY: "By key",
    Dimension.PROJECT: "By project",
    Dimension.HOLDER: "By member",
}


class RangeForm(forms.Form):
    """`from` and `until`; what is missing is this month, up to now."""

    def __init__(self, zone: ZoneInfo, now: datetime, data: Any) -> None:
        self.zone, self.now = zone, now
        month = now.astimezone(zone).replace(day=1, hour=0, minute=0, second=0)
        usual = {"from": month if month < now else month - timedelta(days=1)}
        usual["until"] = now
        texts = {name: written(moment, zone) for name, moment in usual.items()}
        given = {name: data.get(name) or text for name, text in texts.items()}
        super().__init__(given)
        for name, label in (("from", "From"), ("until", "Until just before")):
            is_plain = given[name][19:] == ""
            kind = "datetime-local" if is_plain else "text"
            widget = forms.DateTimeInput(attrs={"type": kind, "step": "1"})
            widget.input_type = kind
            self.fields[name] = InstantField(zone, now, label=label, widget=widget)

    def clean(self) -> dict[str, Any]:
        found = self.cleaned_data
        if "from" in found and "until" in found and found["from"] >= found["until"]:
            self.add_error("until", "It ends before it begins.")
        return found

    @property
    def span(self) -> tuple[datetime, datetime]:
        return self.cleaned_data["from"], self.cleaned_data["until"]


class Row(NamedTuple):
    """A line of the explanation, as it is shown."""

    label: str
    meaning: str
    amount_micros: int
    times: int
    url: str


class ShareRow(NamedTuple):
    """What one model, key … was charged."""

    label: str
    share: Share
    url: str


@require_safe
@tenancy.page(Permission.SEE_MONEY)
def explain_page(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    form = _form(request, tenant)
    context: dict[str, Any] = {"form": form, "presets": _presets(tenant, form)}
    if form.is_valid():
        found = explain(tenant.organization.account_id, *form.span)
        context |= _shown(request, tenant, found, form.zone)
    status = 200 if form.is_valid() else 400
    return frame.show(request, tenant, "explain/explain.html", context, status=status)


@require_safe
@tenancy.page(Permission.SEE_MONEY)
def explain_json(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """The page's figures; 400 with what is wrong with the range."""
    form = _form(request, tenant)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    found = explain(tenant.organization.account_id, *form.span)
    return JsonResponse(bundle.figures(found) | _names(tenant))


@require_safe
@tenancy.page(Permission.SEE_MONEY)
def explain_zip(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """Streamed: a year of entries takes the memory of a page."""
    form = _form(request, tenant)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    found = explain(tenant.organization.account_id, *form.span)
    pieces: Iterator[bytes] = bundle.archive(found, **_names(tenant))
    answer = Download(pieces, content_type="application/zip")
    days = "-".join(f"{at.astimezone(form.zone):%Y%m%d}" for at in form.span)
    name = f"explain-{tenant.organization.slug}-{days}.zip"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return cast(HttpResponse, answer)  # `tenancy.page` asks nothing else of it


def _form(request: HttpRequest, tenant: Tenant) -> RangeForm:
    now = timezone.now().replace(microsecond=0)
    return RangeForm(frame.zone_of(tenant), now, request.GET)


def _names(tenant: Tenant) -> dict[str, str]:
    account = tenant.organization.account
    return {"organization": tenant.organization.slug, "time_zone": account.time_zone}


# --- what is shown --------------------------------------------------------------------


def _shown(
    request: HttpRequest, tenant: Tenant, found: Explanation, zone: ZoneInfo
) -> dict[str, Any]:
    slug = tenant.organization.slug
    span = {"from": written(found.since, zone), "until": written(found.until, zone)}
    query = urlencode(span)
    is_hashed = found.entries <= ENTRIES_HASHED or request.GET.get("head") == "1"
    return {
        "found": found,
        "rows": [_row(slug, line, found) for line in found.lines],
        "difference": found.closing.balance_micros - found.opening.balance_micros,
        "tables": [
            (heading, *_share_rows(slug, of, found)) for of, heading in HEADINGS.items()
        ],
        "ledger_url": links.of_range("ledger", slug, found.since, found.until),
        "head": bundle.head_of(found) if is_hashed else "",
        "head_url": f"?{query}&head=1",
        "json_url": f"{reverse('explain-json', args=[slug])}?{query}",
        "zip_url": f"{reverse('explain-zip', args=[slug])}?{query}",
    }


def _row(slug: str, line: Line, found: Explanation) -> Row:
    label, meaning = WORDS[line.why]
    span = (slug, found.since, found.until)
    if line.why == Why.USAGE:
        url = links.of_range("activity", *span)
    else:
        url = links.of_range("ledger", *span, why=line.why.value)
    return Row(label, meaning, line.amount_micros, line.count, url)


def _share_rows(
    slug: str, of: Dimension, found: Explanation
) -> tuple[list[ShareRow], Share | None]:
    """The largest shares, and the sum of all others, if there are any."""
    shares = found.shares[of]
    rows = [_share_row(slug, of, share, found) for share in shares[:SHOWN]]
    rest = shares[SHOWN:]
    if not rest:
        return rows, None
    others = Share(
        "",
        f"{len(rest)} others",
        sum(share.requests for share in rest),
        sum(share.first_micros for share in rest),
        sum(share.corrected_micros for share in rest),
    )
    return rows, others


def _share_row(slug: str, of: Dimension, share: Share, found: Explanation) -> ShareRow:
    filters = {of.value: str(share.subject)} if share.subject else {}
    url = links.of_range("activity", slug, found.since, found.until, **filters)
    return ShareRow(share.label, share, url)


def _presets(tenant: Tenant, form: RangeForm) -> list[tuple[str, str]]:
    """Ranges that are asked for most, as links."""
    zone, now = form.zone, form.now
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, fold=0)
    month = today.replace(day=1)
    last_month = (month - timedelta(days=1)).replace(day=1)
    spans = [
        ("Today", today, now),
        ("Yesterday", today - timedelta(days=1), today),
        ("7 days", today - timedelta(days=6), now),
        ("This month", month, now),
        ("Last month", last_month, month),
        ("From the first day", tenant.organization.created_at, now),
    ]
    return [
        (label, "?" + urlencode({"from": written(a, zone), "until": written(b, zone)}))
        for label, a, b in spans
    ]
