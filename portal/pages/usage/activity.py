"""Activity: every call, row by row, the newest first; live, filtered by its query
string, with what it comes to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core import signing
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    QueryDict,
)
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from billing.models import Unit
from billing.reports import activity, activity_totals, keys, usage
from billing.reports.activity import Wanted
from billing.reports.activity_sql import Place
from billing.reports.calls import CallReport
from billing.reports.periods import Range
from billing.reports.usage import Dimension, Subject
from portal.models import RefusedRequest
from portal.pages.parts import filters, frame, keyset, navigation, tables
from portal.pages.parts.filters import Choice, Filters, Text
from portal.pages.parts.tables import Column, Kind, Table
from portal.pages.usage import asked as asking
from portal.pages.usage import refused
from portal.pages.usage.asked import LABELS
from portal.tenants import sight, tenancy
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

SIZE = 50
LATELY = timedelta(days=7)
SALT = "activity"
STATES = (
    ("open", "Running"),
    ("settled", "Charged"),
    ("released", "Not charged"),
    ("in_doubt", "In doubt"),
    refused.STATE,
)
STREAMED = (("yes", "Streamed"), ("no", "In one piece"))
PREFIX = "req_"
HEX = frozenset("0123456789abcdef")
SHORT = "Give 8 characters of the request id at least, after req_."


@dataclass(frozen=True, slots=True)
class Row:
    """A call, as the list has it."""

    call: CallReport
    key_id: int  # the first of those that it is one with

    @property
    def tokens(self) -> tuple[int, int]:
        return self.call.prompt_tokens, self.call.completion_tokens


class Calls:
    """The calls that are wanted, as a feed of a table."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.looked_to: datetime | None = None

    def cut(self, size: int, *, after: str, before: str) -> keyset.Slice:
        """A cursor that is none of ours is the first page's."""
        if before and (place := read_cursor(before)):
            found = activity.page_before(self.wanted, size, place)
            last = activity.place_of(found.calls[-1]) if found.calls else None
            earlier = written(found.first) if found.following else ""
            return keyset.Slice(found.calls, written(last), earlier)
        place = read_cursor(after) if after else None
        found = activity.page(self.wanted, size, place)
        self.looked_to = found.looked_to
        later, first = written(found.following), written(found.first)
        return keyset.Slice(found.calls, later, first if place else "")

    def chunks(self) -> Iterator[list[CallReport]]:
        return activity.chunks(self.wanted)


def written(place: Place | None) -> str:
    """Signed, so that nothing else is ever compared with a column; without the time of
    signing, or what is polled would never be as it was."""
    if place is None:
        return ""
    return signing.Signer(salt=SALT).sign_object(
        [place.placed_at.isoformat(), place.id.hex]
    )


def read_cursor(text: str) -> Place | None:
    try:
        moment, id_ = signing.Signer(salt=SALT).unsign_object(text)
    except signing.BadSignature:
        return None
    return Place(datetime.fromisoformat(moment), UUID(id_))


TABLE = Table(
    name="activity",
    caption="The newest first; a value is a link to all that have it",
    columns=(
        Column("time", "Time", "call.placed_at", template="activity/time.html"),
        Column("request_id", "Request", "call.request_id", is_in_page=False),
        Column("state", "State", "call.state", template="activity/state.html"),
        Column("reason", "Reason", "call.reason", is_in_page=False),
        Column("operation", "Operation", "call.operation", filters="operation"),
        Column("model", "Model", "call.model", filters="model"),
        Column("key", "Key", "call.spender_label", filters="key", filters_to="key_id"),
        Column(
            "project",
            "Project",
            "call.project_label",
            filters="project",
            filters_to="call.project_id",
            is_in_page=False,
        ),
        Column(
            "holder",
            "Held by",
            "call.holder_label",
            filters="holder",
            filters_to="call.holder_id",
        ),
        Column("held", "Held", "call.held_micros", Kind.CREDITS),
        Column("charged", "Charged", "call.charged_micros", Kind.CREDITS),
        Column("basis", "Price from", "call.basis", is_in_page=False),
        Column(
            "tokens",
            "Tokens in / out",
            template="activity/tokens.html",
            is_in_csv=False,
        ),
        Column("prompt_tokens", "", "call.prompt_tokens", is_in_page=False),
        Column("completion_tokens", "", "call.completion_tokens", is_in_page=False),
        Column(
            "duration_ms",
            "Took",
            "call.duration_ms",
            template="activity/duration.html",
        ),
        Column("client", "Client", "call.client", filters="client"),
        Column("client_version", "", "call.client_version", is_in_page=False),
        Column("session", "", "call.session", is_in_page=False),
        Column("streamed", "", "call.streamed", is_in_page=False),
        Column("flags", "", "call.flags", is_in_page=False),
        Column("ended_at", "", "call.ended_at", is_in_page=False),
    ),
    sort="",
    size=SIZE,
    empty="No call in this time, of what the filter says.",
)


@require_safe
@tenancy.page(*navigation.USAGE)
def activity_page(request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
    """A developer sees the calls of their own keys; a viewer, no names of keys."""
    bar, wanted = asked(request.GET, tenant, usage.now())
    if bar.get("state") == refused.STATE[0]:
        return refused.show(request, tenant, bar, wanted.chosen)
    table, calls = table_for(tenant), Calls(wanted)
    if tables.wants_csv(request):
        return table.csv(request, calls, prepare=rows)
    totals = activity_totals.totals(wanted)
    listing = table.show(request, calls, prepare=rows, totals=_totals(totals))
    context = {
        "filters": bar,
        "listing": listing,
        "looked_to": calls.looked_to,
        "totals": totals,
        "is_live": not {"after", "before"} & set(request.GET),
        "latest": _latest(tenant, listing),
        "may_create_keys": tenant.may(Permission.CREATE_KEYS),
        "base_url": f"{settings.PUBLIC_URL}/v1",
    }
    if "HX-Request" in request.headers:
        return _part(request, tenant, context)
    context |= {
        "booked": _booked(wanted, totals),
        "refused_request": _refused(tenant, wanted, listing),
        "sees_own_only": sight.sees_own_only(tenant),
    }
    return frame.show(request, tenant, "activity/activity.html", context)


def _part(
    request: HttpRequest, tenant: Tenant, context: dict[str, Any]
) -> HttpResponse:
    """What is polled: the list alone, or nothing where it is as it was."""
    with timezone.override(frame.zone_of(tenant)):
        names = {"organization": tenant.organization}
        answer = render(request, "activity/list.html", context | names)
    tag = f'"{hashlib.sha256(answer.content).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == tag:
        return HttpResponse(status=204)
    answer["ETag"] = tag
    return answer


# --- what is asked for ---------------------------------------------------------------


def asked(params: QueryDict, tenant: Tenant, now: datetime) -> tuple[Filters, Wanted]:
    """Raises: Http404 for what this person may not know of."""
    zone = ZoneInfo(tenant.organization.account.time_zone)
    known, whose = sight.dimensions(tenant), sight.usage_of(tenant)
    is_refused = params.get("state") == refused.STATE[0]
    if is_refused:
        params = refused.known_of(params)
        known = [each for each in known if each in refused.DIMENSIONS]
    period = filters.Range("7d")
    span = filters.read(params, zone, [period], now=now).span
    chosen, names = asking.chosen_of(params, known, whose)
    fields: list[filters.Field] = [period, Choice("state", "State", STATES)]
    for each in known:
        if each != Dimension.SESSION:
            options = _options(tenant, each, names.get(each, {}), now)
            choice = Choice(each.value, LABELS[each], options, takes_others=True)
            fields.append(choice)
    if not is_refused:
        fields += _more_fields()
    bar = filters.read(params, zone, fields, now=now)
    prefix = digits_of(bar.get("id"))
    streamed = {"yes": True, "no": False}.get(bar.get("streamed"))
    wanted = Wanted(
        chosen,
        None if prefix else span.since,  # an id is looked for at any time
        None if prefix else span.until,
        (bar.get("state"),) if bar.get("state") else (),
        streamed,
        bar.get("flag"),
        prefix,
    )
    return bar, wanted


def _more_fields() -> list[filters.Field]:
    return [
        Choice("streamed", "Answer", STREAMED),
        Text(Dimension.SESSION.value, LABELS[Dimension.SESSION]),
        Text("flag", "Remark", "hold_overrun"),
        Text("id", "Request id", "req_0192f3a1…", wrong=_wrong_id),
    ]


def _options(
    tenant: Tenant, dimension: Dimension, chosen: dict[Subject, str], now: datetime
) -> list[tuple[str, str]]:
    """Some of what there is; any other is a click on a value away. Names are those of
    now, and models those of the last days: to rank a thousand keys over months would
    cost more than the list itself."""
    if dimension not in asking.OF_IDS:
        lately = Range(now - LATELY, now)
        return asking.options_of(dimension, sight.usage_of(tenant), lately, chosen)
    named: dict[Subject, str] = {}
    if dimension == Dimension.KEY:
        newest = tenant.visible_keys().order_by("-created_at", "pk")
        columns = ("spender__counts_as_id", "spender_id", "name")
        for first, own, name in newest.values_list(*columns)[: asking.OFFERED]:
            named[first or own] = name
    else:
        kinds = asking.KINDS[dimension]
        units = Unit.objects.filter(
            account_id=tenant.organization.account_id, kind__in=kinds
        )
        latest = units.order_by("-id").values_list("id", "label")
        named.update(latest[: asking.OFFERED])
    options = [(str(id_), name) for id_, name in (named | chosen).items()]
    return sorted(options, key=lambda option: option[1].casefold())


def digits_of(request_id: str) -> str:
    return request_id.casefold().removeprefix(PREFIX).replace("-", "")


def _wrong_id(text: str) -> str:
    return "" if is_prefix(digits_of(text)) else SHORT


def is_prefix(digits: str) -> bool:
    """Of a request id: long enough to be looked for, and of no other characters."""
    is_long = activity.ID_DIGITS_MIN <= len(digits) <= activity.ID_DIGITS
    return is_long and set(digits) <= HEX


def call_of(tenant: Tenant, request_id: str) -> CallReport:
    """Raises: Http404 for another's call, and for none."""
    digits = request_id.removeprefix(PREFIX)
    if len(digits) != activity.ID_DIGITS or not is_prefix(digits):
        raise Http404
    found = activity.page(Wanted(sight.usage_of(tenant), id_prefix=digits), 1)
    if not found.calls:
        raise Http404
    return found.calls[0]


# --- what is shown -------------------------------------------------------------------


def table_for(tenant: Tenant) -> Table:
    known = sight.dimensions(tenant)
    hidden = [each.value for each in Dimension if each not in known]
    return TABLE.without(*hidden)


def rows(calls: list[CallReport]) -> Sequence[Row]:
    first = keys.first_keys({call.spender_id for call in calls})
    return [Row(call, first.get(call.spender_id, call.spender_id)) for call in calls]


def _totals(found: activity_totals.Totals) -> dict[str, Any] | None:
    if not found.is_all:
        return None
    used = found.figures
    tokens = f"{used.prompt_tokens:,} / {used.completion_tokens:,}"
    return {"charged": used.charged_micros, "tokens": tokens}


def _booked(wanted: Wanted, totals: activity_totals.Totals) -> int | None:
    """What usage says of the same time, where that is another sum: calls are charged
    some time after they are made."""
    if wanted.id_prefix or not totals.is_all:
        return None
    booked = activity_totals.charged_in(wanted)
    if booked is None or booked.charged_micros == totals.figures.charged_micros:
        return None
    return booked.charged_micros


def _refused(
    tenant: Tenant, wanted: Wanted, listing: tables.Listing
) -> RefusedRequest | None:
    """What the id that is looked for is of, where it is of no call."""
    if listing.lines or len(wanted.id_prefix) != activity.ID_DIGITS:
        return None
    return refused.find(tenant, UUID(wanted.id_prefix))


def _latest(tenant: Tenant, listing: tables.Listing) -> CallReport | None:
    """Of an empty list: the last call there is at all, for who looks at a time of
    which there is none."""
    if listing.lines:
        return None
    found = activity.page(Wanted(sight.usage_of(tenant)), 1).calls
    return found[0] if found else None
