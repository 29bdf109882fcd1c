"""What calls taught about the tariff: how far beyond its bound such calls may cost.

Pure functions over integers in microcredits. A *kind* of call is an operation, a model
and a shape; each kind is taught for itself, and each of its sizes (powers of four of
the bound) a factor of its own. A factor holds for all smaller calls too. Of larger
ones it only proves a sum: else the smallest call, which anybody can make, and whose
price is mostly rounding, would multiply what everybody's largest ones hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import orjson

from billing.pricing import stored
from billing.pricing.rates import Rates, Units
from billing.values.amounts import PPM, credits_text
from billing.values.orders import AMOUNT_MICROS_MAX

# A factor is kept in parts of this: fine enough to give a price to the microcredit.
ONE = 10**9
FACTOR_MAX = 9 * 10**18  # of the column
# From the second lesson of a size on its prices evidently vary: a quarter is added.
HEADROOM_DIVISOR = 4
SHAPE_LENGTH_MAX = 80
WILDCARDS = frozenset("*?")


def size_of(base: int) -> int:
    """The size of a call: 0 for a base below 4 microcredits, 1 below 16, …"""
    return (max(base, 1).bit_length() - 1) // 2


def largest(size: int) -> int:
    """Above all bases of this size."""
    return int(4 ** (size + 1))


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is known of one kind and size of call."""

    factor_ppb: int = ONE  # of its base, parts per 1,000,000,000
    count: int = 0  # prices above what was known before
    is_free: bool = True  # none of them has cost anything

    def most_micros(self, size: int, base: int) -> int:
        """The most that a call may cost, as far as this lesson of `size` tells."""
        base, top = max(base, 1), largest(size)
        taught = min(base, top)
        return base - taught + _over(taught * self.factor_ppb, ONE)

    def after(self, base: int, cost: int, *, is_news: bool) -> Lesson:
        """With a call of this base that cost so much, which is news or was known."""
        if not cost:
            return self
        if is_news and self.count:
            cost += cost // HEADROOM_DIVISOR
        base = max(base, 1)
        factor = cost * ONE // base
        factor += _over(base * factor, ONE) < cost  # the smallest that is enough
        factor = min(max(self.factor_ppb, factor), FACTOR_MAX)
        return Lesson(factor, self.count + is_news, is_free=False)


@dataclass(slots=True)
class Lessons:
    """What is known of one kind of call, by size. The base of a call is the tariff's
    bound, or the cautious one for a price of nothing."""

    sizes: dict[int, Lesson] = field(default_factory=dict)

    @property
    def are_free(self) -> bool:
        """Whether nothing was ever charged for such a call."""
        return all(lesson.is_free for lesson in self.sizes.values())

    def most_micros(self, base: int) -> int:
        """The most that a call of this base may cost, as far as anybody knows."""
        known = (each.most_micros(size, base) for size, each in self.sizes.items())
        return min(max(known, default=base), AMOUNT_MICROS_MAX)

    def learn(self, base: int, cost: int, *, was_held: bool) -> Lesson:
        """Take the lesson of a call of this base that cost so much, which was held for
        it or was not; all lessons of its size."""
        size = size_of(base)
        is_news = not was_held and cost > self.most_micros(base)
        before = self.sizes.get(size, Lesson())
        after = self.sizes[size] = before.after(base, cost, is_news=is_news)
        return after


def times_text(factor_ppb: int) -> str:
    """A factor for people: "3.5"."""
    return credits_text(factor_ppb * PPM // ONE)  # six decimals, as credits have


def bound_micros(tariff: int, cautious: int, lessons: Lessons | None) -> int:
    """What is held for a call whose bound is `tariff`, before the organization's
    factor. `cautious`: see `Caution`; 0 where the tariff is to be believed."""
    if lessons is None:
        return max(tariff, cautious)
    if lessons.are_free:
        return tariff
    return max(tariff, lessons.most_micros(base_micros(tariff, cautious)))


def base_micros(tariff: int, cautious: int) -> int:
    """What the lessons of a call multiply: of a price of nothing, there is nothing to
    multiply."""
    return tariff or cautious


@dataclass(frozen=True, slots=True)
class Caution:
    """What to hold for a model that nobody priced, until one of its calls has been
    settled: as for the dearest model of the operation. Nobody priced a model that only
    a row for every model matches, or whose row comes to nothing."""

    dearest: Rates
    unpriced_micros: int  # for a call that costs nothing even so

    def micros(self, rates: Rates, units: Units) -> int:
        """0 where `rates`, the row of the model, is to be believed."""
        cost = rates.cost_micros(units)
        if cost and not WILDCARDS.issuperset(rates.model):
            return 0
        dearest = self.dearest.cost_micros(units)
        return dearest if cost else max(dearest, self.unpriced_micros)


def dearest(tariff: Iterable[Rates], operation: str) -> Rates:
    """A row by which no call of the operation is cheaper than by any of its rows;
    there must be one."""
    rows = [rates for rates in tariff if rates.operation == operation]
    options = {option for row in rows for option in row.factors}
    quantum = max(row.quantum_micros for row in rows)
    # What is rounded up to a multiple of one may be less rounded up to another's.
    is_common = not any(quantum % row.quantum_micros for row in rows)
    base = max(row.base_micros for row in rows)
    return Rates(
        operation=operation,
        model="*",
        base_micros=base if is_common else base + quantum,
        prompt_token_micros=max(row.prompt_token_micros for row in rows),
        completion_token_micros=max(row.completion_token_micros for row in rows),
        image_micros=max(row.image_micros for row in rows),
        web_search_micros=max(row.web_search_micros for row in rows),
        quantum_micros=quantum,
        completion_tokens_max=max(row.completion_tokens_max for row in rows),
        character_micros=max(row.character_micros for row in rows),
        second_micros=max(row.second_micros for row in rows),
        factors={
            # A row that does not name an option leaves the price as it is.
            option: max(row.factors.get(option, PPM) for row in rows)
            for option in options
        },
    )


def mark_of(rates: Rates) -> str:
    """Tells a row of the tariff from any other: one that the operator changes is
    believed anew."""
    return _digest(stored.to_json(rates))


def shape_of(mark: str, units: Units, traits: Iterable[str] = ()) -> str:
    """What may decide the price of a call beside the number of its units: the row of
    the tariff, the options chosen, and `traits`, words that the tariff has no price
    for."""
    words = [
        mark,
        *units.options,
        *(["images"] if units.images and not units.options else []),
        *(["web_search"] if units.web_search else []),
        *traits,
    ]
    shape = " ".join(words)
    if len(shape) > SHAPE_LENGTH_MAX:
        shape = f"{words[0]} {_digest({'words': words[1:]})}"
    return shape


def _digest(values: Mapping[str, object]) -> str:
    text = orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2s(text, digest_size=4).hexdigest()


def _over(dividend: int, divisor: int) -> int:
    """The quotient, rounded up."""
    return -(-dividend // divisor)
