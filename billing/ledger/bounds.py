"""What is held for a call, and what its price then teaches: rules on the Book's rows.

No database in this file: `learned` reads and writes what is here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from billing.ledger.rows import HoldRow
from billing.pricing.lessons import Lessons, base_micros, bound_micros, size_of
from billing.values import errors
from billing.values.amounts import price_of
from billing.values.orders import Place


class Kind(NamedTuple):
    """Calls that teach about each other."""

    operation: str
    model: str
    shape: str


class Subject(NamedTuple):
    """For whom the operator bears something: an organization, or a model."""

    account_id: int | None
    operation: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator bears in a day, at most, before he has to look."""

    model_micros: int
    organization_micros: int


@dataclass(slots=True)
class Change:
    """What the calls of this transaction add to what is known of a kind and size."""

    lessons: int = 0
    overruns: int = 0
    borne_micros: int = 0


@dataclass(slots=True)
class Bounds:
    """What is known of the kinds of these orders, and what they teach."""

    limits: Limits | None = None  # of orders that may overrun their hold
    lessons: dict[Kind, Lessons] = field(default_factory=dict)
    paused: set[Subject] = field(default_factory=set)
    # Today, beyond what the operator has accepted.
    borne: dict[Subject, int] = field(default_factory=dict)
    changes: dict[tuple[Kind, int], Change] = field(default_factory=dict)
    pauses: dict[Subject, int] = field(default_factory=dict)  # new → borne

    def bound_micros(self, order: Place) -> int:
        """What the call may cost at most, as far as anybody knows.

        Raises: OrganizationPaused, ModelPaused.
        """
        if Subject(order.account_id) in self.paused:
            raise errors.OrganizationPaused
        if Subject(None, order.operation, order.model) in self.paused:
            raise errors.ModelPaused
        lessons = self.lessons.get(kind_of(order))
        return bound_micros(order.bound_micros, order.cautious_micros, lessons)

    def is_untried(self, order: Place, bound: int) -> bool:
        """Whether `bound`, which is held, is a guess: of no call of this size is known
        what it costs, and for others, or for caution, more than the tariff says."""
        lessons = self.lessons.get(kind_of(order))
        is_known = lessons is not None and size_of(base_of(order)) in lessons.sizes
        return bound > order.bound_micros and not is_known

    def heed_price(self, hold: HoldRow, cost: int, absorbed: int) -> None:
        """Learn from what a call cost, and count what the operator bears of it."""
        is_overrun = price_of(cost, hold.price_factor_ppm) > hold.amount_micros
        if not (is_overrun or hold.is_untried):
            return
        change = self._learn(hold, cost, was_held=not is_overrun)
        change.overruns += is_overrun
        change.borne_micros += absorbed
        if absorbed and self.limits:
            model = Subject(None, hold.operation, hold.model)
            self._bear(model, absorbed, self.limits.model_micros)
            organization = Subject(hold.account_id)
            self._bear(organization, absorbed, self.limits.organization_micros)

    def heed_estimate(self, hold: HoldRow, bound: int) -> None:
        """Learn that the upstream itself says a job may cost more than was held: the
        next one is held for like that from the start."""
        if price_of(bound, hold.price_factor_ppm) > hold.amount_micros:
            self._learn(hold, bound, was_held=False)

    def _learn(self, hold: HoldRow, cost: int, *, was_held: bool) -> Change:
        kind, size = kind_of(hold), size_of(hold.bound_micros)
        lessons = self.lessons.setdefault(kind, Lessons())
        before = lessons.sizes.get(size)
        after = lessons.learn(hold.bound_micros, cost, was_held=was_held)
        change = self.changes.setdefault((kind, size), Change())
        change.lessons += after.count - (before.count if before else 0)
        return change

    def _bear(self, subject: Subject, micros: int, most: int) -> None:
        borne = self.borne.get(subject, 0) + micros
        self.borne[subject] = borne
        if borne > most and subject not in self.paused:
            self.paused.add(subject)
            self.pauses[subject] = borne


def kind_of(row: Place | HoldRow) -> Kind:
    return Kind(row.operation, row.model, row.shape)


def base_of(order: Place) -> int:
    """What the lessons of this call will multiply."""
    return base_micros(order.bound_micros, order.cautious_micros)
