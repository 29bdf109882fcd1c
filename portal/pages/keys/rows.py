"""What pages say of keys beside their rows, for many at once in a fixed number of
queries: when last used and by what, what binds them, what they spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from billing import budgets
from billing.budgets import Link
from billing.models.budget import Level
from billing.reports import periods, usage
from billing.reports.balance import balance_of
from billing.reports.last_calls import LastCall, last_calls, latest
from billing.reports.usage import Chosen, Dimension, Figures, Subject
from billing.values.amounts import credits_text
from portal.models import ApiKey, KeySecret, Organization
from portal.pages.parts import stacks
from portal.pages.parts.stacks import Sparkline
from portal.tenants import keys
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

SPARK_DAYS = 14
WINDOWS = {"day": "a day", "week": "a week", "month": "a month", "total": "in total"}


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit in words, and how much of it is used."""

    link: Link
    whose: str

    @property
    def words(self) -> str:
        some = ", ".join(filter(None, (self.link.model_pattern, self.link.operation)))
        window = WINDOWS[self.link.window]
        return f"{self.whose}, {window}" + (f" for {some}" if some else "")

    @property
    def taken_micros(self) -> int:
        return self.link.used_micros + self.link.held_micros

    @property
    def state(self) -> str:
        """For the bar: how near its end it is."""
        if not self.link.left_micros:
            return "full"
        return "near" if 5 * self.link.left_micros < self.link.limit_micros else "fine"


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as pages show it."""

    key: ApiKey
    state: str
    secrets: Sequence[KeySecret]  # that work now, the newest first
    last: LastCall | None
    limits: Sequence[Limit]  # all that bind it, the tightest first
    spark: Sparkline
    spent_micros: int  # in those days
    available_micros: int | None  # of the organization; None: not to be told

    @property
    def is_short_of_credits(self) -> bool:
        """Whether the organization's credits end before any limit does."""
        if self.available_micros is None:
            return False
        return self.limit is None or self.available_micros < self.limit.link.left_micros

    @property
    def pk(self) -> object:
        return self.key.pk

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def hint(self) -> str:
        return self.key.hint

    @property
    def holder(self) -> str:
        unit = self.key.spender.holder
        return unit.label if unit else ""

    @property
    def limit(self) -> Limit | None:
        """The tightest of those for every call of the key, else of all."""
        whole = [
            each
            for each in self.limits
            if not (each.link.model_pattern or each.link.operation)
        ]
        return next(iter(whole or self.limits), None)

    @property
    def last_at(self) -> datetime | None:
        return self.last.at if self.last else None

    @property
    def program(self) -> str:
        if self.last is None:
            return ""
        return " ".join(filter(None, (self.last.client, self.last.client_version)))

    @property
    def is_overlapping(self) -> bool:
        return self.state == "active" and len(self.secrets) > 1


def rows(tenant: Tenant, found: Sequence[ApiKey]) -> list[KeyRow]:
    """Keys with project and spender's holder; what each is worth knowing of."""
    now, organization = timezone.now(), tenant.organization
    available = None
    if tenant.may(Permission.SEE_MONEY):
        available = balance_of(organization.account_id).available_micros
    secrets = _secrets(found)
    spenders = {key.pk: [each.spender_id for each in secrets[key.pk]] for key in found}
    every = [spender_id for ids in spenders.values() for spender_id in ids]
    last = last_calls(every)
    chains = budgets.chains_of([key.spender_id for key in found])
    days = _days(organization, found)
    return [
        KeyRow(
            key,
            keys.state_of(key, now),
            [each for each in secrets[key.pk] if _works(each, now)],
            latest([last.get(each) for each in spenders[key.pk]]),
            [Limit(link, _whose(link)) for link in chains[key.spender_id]],
            _spark(days.get(key.spender.limited_id, [])),
            sum(days.get(key.spender.limited_id, [])),
            available,
        )
        for key in found
    ]


def _secrets(found: Sequence[ApiKey]) -> dict[object, list[KeySecret]]:
    by_key: dict[object, list[KeySecret]] = {key.pk: [] for key in found}
    ordered = KeySecret.objects.filter(key__in=found).order_by("-created_at", "-id")
    for secret in ordered.select_related("spender"):
        by_key[secret.key_id].append(secret)
    return by_key


def _works(secret: KeySecret, now: datetime) -> bool:
    closes_at = secret.spender.closes_at
    return secret.closed_at is None and (closes_at is None or closes_at > now)


def _days(
    organization: Organization, found: Sequence[ApiKey]
) -> dict[object, list[int]]:
    """What each key was charged a day, by the spender of its first secret."""
    zone = organization.account.time_zone
    span = periods.last_days(zone, SPARK_DAYS)
    slots = periods.buckets(span, periods.Bucket.DAY, zone)
    subjects = [key.spender.limited_id for key in found]
    chosen = Chosen(organization.account_id).narrowed(Dimension.KEY, *subjects)
    ranges = [periods.Range(slot.start, slot.end) for slot in slots]
    used = in_parts(chosen, ranges, Dimension.KEY)
    return {
        subject: [each.charged_micros for each in figures]
        for subject, figures in used.items()
    }


def in_parts(
    chosen: Chosen, ranges: Sequence[periods.Range], by: Dimension
) -> dict[Subject, list[Figures]]:
    """What each subject used in each of the ranges."""
    found: dict[Subject, list[Figures]] = {}
    for (number, (subject,)), used in usage.figures(chosen, ranges, [by]).items():
        row = found.setdefault(subject, [Figures()] * len(ranges))
        row[number] = used
    return found


def _spark(days: Sequence[int]) -> Sparkline:
    credits = credits_text(sum(days))
    return stacks.sparkline(f"{credits} credits in {SPARK_DAYS} days", days)


def _whose(link: Link) -> str:
    match link.level:
        case Level.ORGANIZATION:
            return "the organization"
        case Level.KEY:
            return "this key"
        case Level.PROJECT:
            return f"project {link.label}"
    return link.label
