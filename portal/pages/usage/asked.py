"""What a page of usage is asked for, by its query string: of what, when, and how it is
divided. The query string is the page's whole state; a saved view is one with a name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.http import Http404, QueryDict

from billing.models import Spender, Unit
from billing.models.account import UnitKind
from billing.reports import keys, periods, usage
from billing.reports.periods import Bucket, Range
from billing.reports.usage import Chosen, Dimension, Subject
from billing.values import numbers
from billing.values.numbers import ID_MAX
from portal.pages.parts import filters
from portal.pages.parts.filters import Choice, Filters
from portal.tenants import sight
from portal.tenants.tenancy import Tenant

T = TypeVar("T", bound=str)

LABELS = {
    Dimension.MODEL: "Model",
    Dimension.KEY: "Key",
    Dimension.PROJECT: "Project",
    Dimension.HOLDER: "Member",
    Dimension.OPERATION: "Operation",
    Dimension.CLIENT: "Client",
    Dimension.SESSION: "Session",
}
# Where a call had none.
NAMELESS = {
    Dimension.PROJECT: "no project",
    Dimension.HOLDER: "nobody",
    Dimension.CLIENT: "not named",
    Dimension.SESSION: "no session",
}
METRICS = {"credits": "Credits", "requests": "Requests", "tokens": "Tokens"}
OF_IDS = (Dimension.KEY, Dimension.PROJECT, Dimension.HOLDER)
# Which units a dimension's subjects are.
KINDS = {
    Dimension.PROJECT: {UnitKind.PROJECT},
    Dimension.HOLDER: {UnitKind.MEMBER, UnitKind.SERVICE_ACCOUNT},
}
BARS_MAX = 120
# Choices of a filter: the largest of late; others are a click on a name away.
OFFERED, OF_LATE = 20, timedelta(days=7)
# All that a view consists of.
STATE = (
    *("range", "from", "to", "by", "metric", "bucket", "compare"),
    *(each.value for each in Dimension),
)


@dataclass(slots=True)
class Asked:
    """One question, and the names of the subjects in it."""

    chosen: Chosen
    by: Dimension
    metric: str
    bucket: Bucket
    is_compared: bool
    filters: Filters
    zone: str
    names: dict[Dimension, dict[Subject, str]] = field(default_factory=dict)

    @property
    def span(self) -> Range:
        return Range(self.filters.span.since, self.filters.span.until)

    def previous(self, now: datetime) -> Range:
        before = self.filters.span.before(now)
        return Range(before.since, before.until)

    def name_of(self, dimension: Dimension, subject: Subject) -> str:
        known = self.names.get(dimension, {}).get(subject)
        return known or str(subject or NAMELESS.get(dimension, "—"))


def read(params: QueryDict, tenant: Tenant, now: datetime) -> Asked:
    """Raises: Http404 for a dimension or a subject that this person may not know of."""
    zone = tenant.organization.account.time_zone
    known = sight.dimensions(tenant)
    whose = sight.usage_of(tenant)
    # The time first: what may be chosen is what was used then.
    bar = filters.read(params, ZoneInfo(zone), [filters.Range("30d")], now=now)
    span = Range(bar.span.since, bar.span.until)
    chosen, names = chosen_of(params, known, whose)
    fields = [
        Choice(
            each.value,
            LABELS[each],
            options_of(each, whose, span, names.get(each, {})),
            takes_others=True,
        )
        for each in known
        if each != Dimension.SESSION
    ]
    session = filters.Text(Dimension.SESSION.value, LABELS[Dimension.SESSION])
    found = filters.read(
        params, ZoneInfo(zone), [filters.Range("30d"), *fields, session], now=now
    )
    return Asked(
        chosen,
        one_of(params.get("by"), known, Dimension.MODEL),
        one_of(params.get("metric"), METRICS, "credits"),
        _bucket(params, span, zone),
        params.get("compare") == "1",
        found,
        zone,
        names,
    )


def chosen_of(
    params: QueryDict, known: Sequence[Dimension], whose: Chosen
) -> tuple[Chosen, dict[Dimension, dict[Subject, str]]]:
    chosen, names = whose, {}
    for each in Dimension:
        value = params.get(each.value, "").replace("\0", "").strip()
        if not value:
            continue
        if each not in known:
            raise Http404
        subject: Subject = _id(value) if each in OF_IDS else value[: filters.TEXT_MAX]
        if subject in (0, "-"):  # calls that had none
            subject = 0 if each in OF_IDS else ""
        elif each in OF_IDS:
            names[each] = {subject: _own_name(each, int(subject), whose.account_id)}
        chosen = chosen.narrowed(each, subject)
    return chosen, names


def _id(text: str) -> int:
    found = numbers.whole(text, most=ID_MAX)
    if found is None:
        raise Http404
    return found


def _own_name(dimension: Dimension, subject: int, account_id: int) -> str:
    """Raises: Http404 for another organization's, the same as for none."""
    if dimension == Dimension.KEY:
        own = Spender.objects.filter(id=subject, account_id=account_id)
        if not own.exists() or keys.first_keys([subject]) != {subject: subject}:
            raise Http404
        return keys.key_names([subject])[subject]
    kinds = KINDS[dimension]
    units = Unit.objects.filter(id=subject, account_id=account_id, kind__in=kinds)
    found = units.values_list("label", flat=True).first()
    if found is None:
        raise Http404
    return found


def names_of(dimension: Dimension, subjects: Iterable[Subject]) -> dict[Subject, str]:
    """One query for what has a name of its own; none for what is one."""
    ids = [subject for subject in subjects if isinstance(subject, int) and subject]
    if dimension == Dimension.KEY:
        return dict(keys.key_names(ids).items())
    return dict(keys.unit_names(ids).items()) if dimension in OF_IDS else {}


def options_of(
    dimension: Dimension, whose: Chosen, span: Range, chosen: dict[Subject, str]
) -> list[tuple[str, str]]:
    """What was used most then, by name; and what is chosen."""
    lately = Range(max(span.start, span.end - OF_LATE), span.end)
    used = usage.figures(whose, [lately], [dimension])
    ranked = sorted(used, key=lambda group: -used[group].charged_micros)[:OFFERED]
    subjects = [subject for _, (subject,) in ranked if subject]
    names = names_of(dimension, subjects) | chosen
    subjects += [subject for subject in chosen if subject not in subjects]
    options = [(str(each), names.get(each, str(each))) for each in subjects]
    return sorted(options, key=lambda option: option[1].casefold())


def one_of(asked: str | None, known: Iterable[T], usual: T) -> T:
    """Raises: Http404 for what there is not."""
    if not asked:
        return usual
    found = next((each for each in known if str(each) == asked), None)
    if found is None:
        raise Http404
    return found


def _bucket(params: QueryDict, span: Range, zone: str) -> Bucket:
    """As asked, if that is not too fine to be seen."""
    usual = periods.fitting(span)
    asked = one_of(params.get("bucket"), Bucket, usual)
    try:
        is_seen = len(periods.buckets(span, asked, zone)) <= BARS_MAX
    except periods.TooManyBuckets:
        is_seen = False
    return asked if is_seen else usual


def state_of(text: str) -> str:
    """The part of a query string that makes a view, in one order."""
    params = QueryDict(text.removeprefix("?")[:2000])
    kept = QueryDict(mutable=True)
    for name in STATE:
        if value := params.get(name, "").replace("\0", "").strip():
            kept[name] = value[: filters.TEXT_MAX]
    return kept.urlencode()
