"""`GET /v1/usage`: what this key used, or its project, by time and by what. Free.

The same sums as on the page of usage. The whole answer is made of instants: `start` is
in it, `end` is not. Buckets come in pages, the oldest first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from billing import budgets
from billing.reports import keys, periods, usage
from billing.reports.periods import Bucket, Range, Slot, TooManyBuckets
from billing.reports.usage import NOTHING, Chosen, Dimension, Figures, Subject
from billing.values import numbers
from portal.models import ApiKey
from portal.tenants import key_rights
from portal.tenants.keys import Identity
from proxy.http import refusals, reply
from proxy.http.errors import GatewayError
from proxy.process.database import read_for
from proxy.views.base import AsyncAPIView
from proxy.views.fields import amount, seconds

DAYS = 30
PARAMETERS = (
    "start",
    "end",
    "bucket",
    "group_by",
    "scope",
    "time_zone",
    "limit",
    "page",
)
# Of one's own key nothing else is divided.
OWN = (Dimension.MODEL, Dimension.OPERATION, Dimension.CLIENT, Dimension.SESSION)
OF_A_PROJECT = (*OWN, Dimension.KEY, Dimension.HOLDER)
# Told by their names.
NAMED = (Dimension.KEY, Dimension.HOLDER)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
UNIX_MAX = 253_402_300_799  # the last second of the year 9999
LONGEST = timedelta(days=1100)
PAGE, PAGE_MAX, ROWS_MAX = 31, 1000, 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """The query string, understood."""

    span: Range
    bucket: Bucket | None  # None: the whole range at once
    by: tuple[Dimension, ...]
    scope: str
    zone: str
    limit: int
    page: int


class UsageView(AsyncAPIView):
    is_for_suspended = True

    async def get(self, request: Request) -> HttpResponseBase:
        """Raises: GatewayError (400, 403)."""
        identity, query = self.identity, request._request.GET.dict()
        return reply.json(
            await read_for(identity.account_id, lambda: answer(identity, query))
        )


def answer(identity: Identity, query: Mapping[str, str]) -> dict[str, Any]:
    """Blocks. Raises: GatewayError (400, 403)."""
    key = ApiKey.objects.select_related("organization__account", "project").get(
        id=identity.key_id
    )
    asked = parse(query, key.organization.account.time_zone, usage.now())
    chosen = _chosen(identity, key, asked)
    slots = _slots(asked)
    shown = slots[asked.page : asked.page + asked.limit]
    spans = [Range(slot.start, slot.end) for slot in shown]
    used = usage.figures(chosen, spans, asked.by)
    if len(used) > ROWS_MAX:
        raise _refused(
            "limit",
            f"This page has more than {ROWS_MAX} rows. Take fewer buckets, with limit, "
            "or fewer dimensions.",
        )
    names = _names(asked, used)
    rows: list[list[dict[str, Any]]] = [[] for _ in shown]
    for (number, subjects), figures in sorted(used.items(), key=_largest_first):
        rows[number].append(_row(asked, subjects, figures, names))
    if not asked.by:
        rows = [row or [_row(asked, (), NOTHING, names)] for row in rows]
    following = asked.page + asked.limit
    return {
        "object": "page",
        "scope": asked.scope,
        "time_zone": asked.zone,
        "start": seconds(asked.span.start),
        "end": seconds(asked.span.end),
        "bucket": asked.bucket.value if asked.bucket else None,
        "group_by": [each.value for each in asked.by],
        "total": _figures(usage.total(chosen, asked.span)),
        "data": [
            {
                "object": "bucket",
                "start_time": seconds(slot.start),
                "end_time": seconds(slot.end),
                "results": row,
            }
            for slot, row in zip(shown, rows, strict=True)
        ],
        "has_more": following < len(slots),
        "next_page": str(following) if following < len(slots) else None,
    }


def _chosen(identity: Identity, key: ApiKey, asked: Asked) -> Chosen:
    """A key's own usage includes its runs and what it was rotated from. That of a run,
    the runs inside it.

    Raises: GatewayError (403) for a project that the key may not see whole.
    """
    whole = Chosen(identity.account_id)
    if asked.scope == "project":
        if identity.run_id is not None or not key_rights.of(key).sees_project:
            raise refusals.permission_denied(
                "This key may see its own usage only. Who manages the organization can "
                "let it see its project's.",
                param="scope",
            )
        return whole.narrowed(Dimension.PROJECT, key.project.unit_id)
    if identity.run_id is not None:
        return Chosen(
            identity.account_id,
            spender_ids=tuple(keys.same_keys([identity.spender_id])),
        )
    first = keys.first_keys([identity.spender_id])[identity.spender_id]
    return whole.narrowed(Dimension.KEY, first)


# --- what is asked ------------------------------------------------------------------


def parse(query: Mapping[str, str], zone: str, now: datetime) -> Asked:
    """Raises: GatewayError (400)."""
    if unknown := sorted(set(query) - set(PARAMETERS)):
        raise _refused(
            unknown[0], f"There is no {unknown[0][:80]}: use {', '.join(PARAMETERS)}."
        )
    scope = _one_of(query, "scope", ("key", "project"), "key")
    zone = query.get("time_zone") or zone
    if zone not in budgets.time_zones():
        raise _refused("time_zone", "time_zone is a name like Europe/Berlin or UTC.")
    known = OF_A_PROJECT if scope == "project" else OWN
    names = [name for name in query.get("group_by", "").split(",") if name]
    by = [each for each in known if each.value in names]
    if set(names) - {each.value for each in by}:
        words = ", ".join(each.value for each in known)
        raise _refused("group_by", f"group_by is one or more of {words}, with commas.")
    bucket = _one_of(query, "bucket", ("none", *(each.value for each in Bucket)), "day")
    return Asked(
        _span(query, zone, now),
        None if bucket == "none" else Bucket(bucket),
        tuple(by),
        scope,
        zone,
        _whole(query, "limit", PAGE, least=1, most=PAGE_MAX),
        _whole(query, "page", 0, least=0, most=10**6),
    )


def _span(query: Mapping[str, str], zone: str, now: datetime) -> Range:
    days = periods.last_days(zone, DAYS, now=now)
    end = _moment(query, "end", zone) or days.end
    start = _moment(query, "start", zone)
    if start is None:
        start = days.start if end > days.start else end - DAYS * periods.DAY
    if start >= end:
        raise _refused("start", "start must be before end.")
    if start < EARLIEST or end > now + LONGEST:
        raise _refused(
            "start", "The range must be between the year 2000 and 3 years on."
        )
    if end - start > LONGEST:
        raise _refused("start", f"The range has {LONGEST.days} days at most.")
    return Range(start, end)


def _moment(query: Mapping[str, str], name: str, zone: str) -> datetime | None:
    """Unix seconds, a date (midnight in the time zone), or a time of ISO 8601."""
    text = query.get(name, "")
    if not text:
        return None
    try:
        if (seconds := numbers.whole(text, most=UNIX_MAX)) is not None:
            return datetime.fromtimestamp(seconds, UTC)
        if len(text) == len("2026-10-12"):
            return periods.day_start(zone, date.fromisoformat(text))
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))
        return found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise _refused(
            name, f"{name} must be Unix seconds, or as 2026-10-12 or 2026-10-12T14:00Z."
        ) from None


def _slots(asked: Asked) -> list[Slot]:
    if asked.bucket is None:
        span = asked.span
        return [Slot(span.start, span.start, span.end, is_whole=True)]
    try:
        return periods.buckets(asked.span, asked.bucket, asked.zone)
    except TooManyBuckets:
        raise _refused(
            "bucket",
            f"This range has more than {periods.BUCKETS_MAX} buckets of a "
            f"{asked.bucket.value}: take a longer bucket, or a shorter range.",
        ) from None


def _one_of(
    query: Mapping[str, str], name: str, known: tuple[str, ...], usual: str
) -> str:
    value = query.get(name) or usual
    if value not in known:
        raise _refused(name, f"{name} is one of {', '.join(known)}.")
    return value


def _whole(
    query: Mapping[str, str], name: str, usual: int, *, least: int, most: int
) -> int:
    text = query.get(name) or str(usual)
    found = numbers.whole(text, least=least, most=most)
    if found is None:
        raise _refused(name, f"{name} is a whole number from {least} to {most}.")
    return found


def _refused(param: str, message: str) -> GatewayError:
    return refusals.invalid(message, param=param[:80])


# --- what is told -------------------------------------------------------------------


Names = dict[Dimension, dict[int, str]]


def _names(asked: Asked, used: Mapping[usage.Group, Figures]) -> Names:
    found: Names = {}
    for place, each in enumerate(asked.by):
        ids = {group[1][place] for group in used}
        numbers = [subject for subject in ids if isinstance(subject, int)]
        if each == Dimension.KEY:
            found[each] = keys.key_names(numbers)
        elif each == Dimension.HOLDER:
            found[each] = keys.unit_names(numbers)
    return found


def _largest_first(item: tuple[usage.Group, Figures]) -> tuple[int, int, list[str]]:
    (number, subjects), used = item
    return number, -used.charged_micros, [str(subject) for subject in subjects]


def _row(
    asked: Asked,
    subjects: tuple[Subject, ...],
    figures: Figures,
    names: Names,
) -> dict[str, Any]:
    """What had none, a session say, is null."""
    row: dict[str, Any] = {}
    for each, subject in zip(asked.by, subjects, strict=True):
        known: Mapping[Any, str] = names.get(each, {})
        row[each.value] = known.get(subject) if each in NAMED else subject or None
    return {**row, **_figures(figures)}


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "requests": figures.requests,
        "prompt_tokens": figures.prompt_tokens,
        "completion_tokens": figures.completion_tokens,
        **amount("charged", figures.charged_micros),
    }
