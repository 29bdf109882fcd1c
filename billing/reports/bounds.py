"""What calls taught about the tariff, what is paused, and what a call would hold."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, Sum

from billing.ledger import dialect
from billing.models import LearnedBound, Pause, UsageRollup
from billing.pricing.lessons import Lesson, Lessons, bound_micros


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the ledger knows of a kind of call, for a quote; the hold itself reads it
    again."""

    lessons: Lessons | None
    is_organization_paused: bool
    is_model_paused: bool

    def bound_micros(self, tariff: int, cautious: int) -> int:
        """The most that a call may cost, as `billing.pricing.lessons` has it."""
        return bound_micros(tariff, cautious, self.lessons)


def expectation(account_id: int, operation: str, model: str, shape: str) -> Expectation:
    """As of now."""
    rows = LearnedBound.objects.filter(operation=operation, model=model, shape=shape)
    sizes = {
        row.size: Lesson(row.factor_ppb, row.lessons, is_free=row.is_free)
        for row in rows
    }
    is_theirs = Q(account_id=account_id)
    is_models = Q(account__isnull=True, operation=operation, model=model)
    standing = Pause.objects.filter(is_theirs | is_models, released_at__isnull=True)
    paused = set(standing.values_list("account_id", flat=True))
    return Expectation(
        lessons=Lessons(sizes) if sizes else None,
        is_organization_paused=account_id in paused,
        is_model_paused=None in paused,
    )


def is_paused(account_id: int) -> bool:
    """Whether the organization's calls are refused until the operator has looked."""
    return Pause.objects.filter(
        account_id=account_id, released_at__isnull=True
    ).exists()


def standing_pauses() -> list[Pause]:
    """The longest first."""
    return list(Pause.objects.filter(released_at__isnull=True).order_by("id"))


def learned_bounds() -> list[LearnedBound]:
    """Kinds of calls that cost more than the tariff says, the latest first."""
    dearer = Q(lessons__gt=0) | Q(overruns__gt=0)
    return list(LearnedBound.objects.filter(dearer).order_by("-learned_at", "id"))


def borne_today(pause: Pause) -> int:
    """What the operator has borne since midnight (UTC) for whom the pause is of."""
    rows = UsageRollup.objects.filter(
        absorbed_micros__gt=0, starts_at__gte=dialect.start_of_day()
    )
    if pause.account_id is None:
        rows = rows.filter(operation=pause.operation, model=pause.model)
    else:
        rows = rows.filter(account_id=pause.account_id)
    borne: int = rows.aggregate(sum=Sum("absorbed_micros", default=0))["sum"]
    return int(borne)
