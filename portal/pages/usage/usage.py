"""Usage: what was spent, when and by what. Chart and table are of one question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from billing.reports import periods, usage
from billing.reports.periods import Bucket, Range, Slot
from billing.reports.usage import NOTHING, Dimension, Figures, Series, Subject
from billing.values.amounts import credits_text
from portal.pages.parts import exports, frame, navigation, stacks, tables
from portal.pages.parts.exports import Number
from portal.pages.parts.query import changed
from portal.pages.parts.tables import Column, Kind, Table
from portal.pages.usage import asked as asking
from portal.pages.usage.asked import LABELS, METRICS, Asked
from portal.tenants import saved_views, sight, tenancy
from portal.tenants.tenancy import Tenant

# By what subjects are compared, for each metric.
SIZES = {
    "credits": ("charged_micros",),
    "requests": ("requests",),
    "tokens": ("prompt_tokens", "completion_tokens"),
}
# Buckets of a CSV that are read at once.
CHUNK = 7


@dataclass(frozen=True, slots=True)
class Row:
    """What one subject used in the whole range, and in the one before it."""

    name: str
    filter_value: str
    used: Figures
    before: Figures
    share: str

    @property
    def requests(self) -> int:
        return self.used.requests

    @property
    def tokens(self) -> int:
        return self.used.tokens

    @property
    def charged_micros(self) -> int:
        return self.used.charged_micros

    @property
    def before_micros(self) -> int:
        return self.before.charged_micros


class Step(NamedTuple):
    """A bucket, as the table of buckets has it."""

    words: str
    used: Figures
    before: Figures | None
    url: str
    is_partial: bool


@require_safe
@tenancy.page(*navigation.USAGE)
def usage_page(request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
    """A developer sees what their own keys used; a viewer, no names of keys."""
    now = usage.now()
    asked = asking.read(request.GET, tenant, now)
    if tables.wants_csv(request):
        return csv(tenant, asked)
    return frame.show(
        request, tenant, "usage/usage.html", context(request, tenant, asked, now)
    )


def context(
    request: HttpRequest, tenant: Tenant, asked: Asked, now: datetime
) -> dict[str, Any]:
    slots = periods.buckets(asked.span, asked.bucket, asked.zone)
    found = _series(asked, slots)
    before = _before(asked, now, found)
    total, sums = found.total, found.sums
    subjects = list(dict.fromkeys([*sums, *before.sums]))
    asked.names.setdefault(asked.by, {}).update(asking.names_of(asked.by, subjects))
    steps = _steps(request, asked, slots, found.parts, before.parts, now)
    rows = [
        _row(asked, each, sums.get(each, NOTHING), before.sums, total)
        for each in subjects
    ]
    rows += _others(found, before)
    listing = _table(asked).show(request, rows, totals=_totals(total, before.total))
    params = request.GET
    return {
        "asked": asked,
        "filters": asked.filters,
        "sees_own_only": sight.sees_own_only(tenant),
        "chart": _chart(asked, found.largest, steps),
        "steps": steps[::-1],
        "listing": listing,
        "total": total,
        "before_total": before.total if asked.is_compared else None,
        "before_words": asked.filters.span.before(now).words,
        "label": LABELS[asked.by],
        "groups": [
            (LABELS[each], changed(params, "sort", by=each.value), each == asked.by)
            for each in sight.dimensions(tenant)
        ],
        "metrics": [
            (label, changed(params, metric=name), name == asked.metric)
            for name, label in METRICS.items()
        ],
        "compare_url": changed(params, "compare")
        if asked.is_compared
        else changed(params, compare="1"),
        "csv_url": changed(params, format="csv"),
        "views": saved_views.listed(tenant),
        "state": asking.state_of(params.urlencode()),
    }


def _series(
    asked: Asked, slots: Sequence[Slot], most: int = stacks.SERIES_MAX
) -> Series:
    return usage.series(
        asked.chosen,
        [_range(slot) for slot in slots],
        asked.by,
        size=SIZES[asked.metric],
        most=most,
    )


def _before(asked: Asked, now: datetime, found: Series) -> Series:
    """Of the period before; nothing where it is not compared. Of sessions, of those
    that are shown."""
    if not asked.is_compared:
        return Series({}, [], {})
    slots = periods.buckets(asked.previous(now), asked.bucket, asked.zone)
    series = _series(asked, slots, most=0)
    if asked.by != Dimension.SESSION or not found.sums:
        return series
    same = asked.chosen.narrowed(asked.by, *found.sums)
    whole = [asked.previous(now)]
    sums = usage.figures(same, whole, [asked.by])
    return Series({group[1][0]: used for group, used in sums.items()}, series.parts, {})


def _others(found: Series, before: Series) -> list[Row]:
    """A row for the subjects that are too many to be shown."""
    rest = _rest(found)
    if rest == NOTHING:
        return []
    return [Row("all others", "", rest, _rest(before), "—")]


def _rest(series: Series) -> Figures:
    shown = sum(series.sums.values(), NOTHING)
    return Figures(
        series.total.requests - shown.requests,
        series.total.prompt_tokens - shown.prompt_tokens,
        series.total.completion_tokens - shown.completion_tokens,
        series.total.charged_micros - shown.charged_micros,
    )


# --- chart and tables ---------------------------------------------------------------


def _range(slot: Slot) -> Range:
    return Range(slot.start, slot.end)


def measure(figures: Figures, metric: str) -> int:
    if metric == "requests":
        return figures.requests
    return figures.tokens if metric == "tokens" else figures.charged_micros


def _steps(
    request: HttpRequest,
    asked: Asked,
    slots: Sequence[Slot],
    parts: Sequence[Figures],
    before: Sequence[Figures],
    now: datetime,
) -> list[Step]:
    zone = ZoneInfo(asked.zone)
    steps = []
    for place, slot in enumerate(slots):
        url = ""
        if asked.bucket != Bucket.QUARTER:
            times = {
                "from": _minute(slot.start, zone, 0),
                "to": _minute(slot.end, zone, 1),
            }
            url = changed(request.GET, "range", "bucket", **times)
        then = before[place] if place < len(before) else None
        is_partial = slot.start <= now < slot.end
        words = _words(slot.start.astimezone(zone), asked.bucket)
        steps.append(Step(words, parts[place], then, url, is_partial))
    return steps


def _minute(at: datetime, zone: ZoneInfo, fold: int) -> str:
    """As the filter's field has it; where a clock shows an hour twice, and this is not
    the one that the field would mean, in UTC."""
    there = at.astimezone(zone)
    meant = there.replace(fold=fold).astimezone(UTC)
    return f"{there:%Y-%m-%dT%H:%M}" if meant == at else f"{at:%Y-%m-%dT%H:%MZ}"


def _words(at: datetime, bucket: Bucket) -> str:
    if bucket in (Bucket.QUARTER, Bucket.HOUR):
        return f"{at.day} {at:%b} {at:%H:%M}"
    if bucket == Bucket.MONTH:
        return f"{at:%b %Y}"
    return f"{'week of ' if bucket == Bucket.WEEK else ''}{at.day} {at:%b}"


def _chart(
    asked: Asked, largest: dict[Subject, list[Figures]], steps: Sequence[Step]
) -> stacks.Chart:
    bars = []
    for place, step in enumerate(steps):
        amounts: dict[str, int] = {}
        for subject, row in largest.items():
            name = asked.name_of(asked.by, subject)
            part = max(measure(row[place], asked.metric), 0)
            amounts[name] = amounts.get(name, 0) + part
        rest = measure(step.used, asked.metric) - sum(amounts.values())
        if rest > 0:
            amounts[stacks.OTHER] = amounts.get(stacks.OTHER, 0) + rest
        bars.append(stacks.Bar(step.words, amounts, step.url, step.is_partial))
    title = f"{METRICS[asked.metric]} by {LABELS[asked.by].lower()}"
    previous = [
        max(measure(step.before, asked.metric), 0) if step.before else 0
        for step in steps
    ]
    return stacks.stacked(
        f"{title}, {asked.filters.span.words}",
        bars,
        previous=previous if asked.is_compared else (),
        unit=asked.metric,
    )


def _row(
    asked: Asked,
    subject: Subject,
    used: Figures,
    before: dict[Subject, Figures],
    total: Figures,
) -> Row:
    whole = measure(total, asked.metric)
    part = measure(used, asked.metric)
    share = f"{part * 100 / whole:.1f} %" if whole > 0 else "—"
    name = asked.name_of(asked.by, subject)
    return Row(name, str(subject or "-"), used, before.get(subject, NOTHING), share)


def _table(asked: Asked) -> Table:
    columns = (
        Column(
            asked.by.value,
            LABELS[asked.by],
            "name",
            order="name",
            filters=asked.by.value,
            filters_to="filter_value",
        ),
        Column("requests", "Requests", kind=Kind.COUNT, order="requests"),
        Column("tokens", "Tokens", kind=Kind.COUNT, order="tokens"),
        Column("charged_micros", "Credits", kind=Kind.CREDITS, order="charged_micros"),
        Column("share", f"Share of {METRICS[asked.metric].lower()}"),
        Column("before_micros", "Before", kind=Kind.CREDITS, order="before_micros"),
    )
    names = {"credits": "charged_micros"}
    table = Table(
        "usage",
        f"By {LABELS[asked.by].lower()}, {asked.filters.span.words} ({asked.zone})",
        columns,
        sort=f"-{names.get(asked.metric, asked.metric)}",
        empty="Nothing was used in this time.",
        size=30,
    )
    return table if asked.is_compared else table.without("before_micros")


def _totals(total: Figures, before: Figures) -> dict[str, Any]:
    return {
        "requests": total.requests,
        "tokens": total.tokens,
        "charged_micros": total.charged_micros,
        "before_micros": before.charged_micros,
    }


# --- all of it as a file ------------------------------------------------------------


def csv(tenant: Tenant, asked: Asked) -> HttpResponseBase:
    """By bucket and by everything at once: for finance, and to count again."""
    by: list[Dimension] = sight.dimensions(tenant)
    by.remove(Dimension.SESSION)
    if Dimension.SESSION in (asked.by, *asked.chosen.of):
        by.append(Dimension.SESSION)
    bucket = (
        asked.bucket if asked.bucket in (Bucket.QUARTER, Bucket.HOUR) else Bucket.DAY
    )
    head = ["begins", *(each.value for each in by)]
    head += ["requests", "prompt_tokens", "completion_tokens", "credits"]
    name = f"tollgate-{tenant.organization.slug}-usage"
    return exports.download(name, head, _chunks(asked, by, bucket))


def _chunks(
    asked: Asked, by: Sequence[Dimension], bucket: Bucket
) -> Iterator[list[list[Any]]]:
    zone = ZoneInfo(asked.zone)
    slots = periods.each_bucket(asked.span, bucket, asked.zone)
    while part := list(islice(slots, CHUNK)):
        found = usage.figures(asked.chosen, [_range(slot) for slot in part], by)
        names = {
            each: asking.names_of(each, {group[1][place] for group in found})
            for place, each in enumerate(by)
        }
        yield [
            [
                _begins(part[number].begins.astimezone(zone), bucket),
                *(
                    names[each].get(subject, subject or "")
                    for each, subject in zip(by, subjects, strict=True)
                ),
                *(used.requests, used.prompt_tokens, used.completion_tokens),
                Number(credits_text(used.charged_micros)),
            ]
            for (number, subjects), used in sorted(found.items(), key=_place)
        ]


def _place(item: tuple[usage.Group, Figures]) -> tuple[int, list[str]]:
    (number, subjects), _ = item
    return number, [str(subject) for subject in subjects]


def _begins(at: datetime, bucket: Bucket) -> str:
    return f"{at:%Y-%m-%d}" if bucket == Bucket.DAY else f"{at:%Y-%m-%dT%H:%M%z}"
