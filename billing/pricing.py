"""Prices: the upper bound of a call, and the tariff's price of what was measured.

Pure functions over integers in microcredits; no database, no rounding down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Units:
    """How much of everything a call uses, or may use at most."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    images: int = 0
    web_search: bool = False


@dataclass(frozen=True, slots=True)
class Rates:
    """One row of the tariff (`billing.models.Tariff` says what each is)."""

    operation: str
    model: str
    base_micros: int
    prompt_token_micros: int
    completion_token_micros: int
    image_micros: int
    web_search_micros: int
    quantum_micros: int
    completion_tokens_max: int

    def price_micros(self, units: Units) -> int:
        """The price of `units`, rounded up to the quantum."""
        exact = (
            self.base_micros
            + units.prompt_tokens * self.prompt_token_micros
            + units.completion_tokens * self.completion_token_micros
            + units.images * self.image_micros
            + (self.web_search_micros if units.web_search else 0)
        )
        return -(-exact // self.quantum_micros) * self.quantum_micros


class UnpricedModel(LookupError):
    """No row of the tariff matches: the call cannot be bounded, so it is refused."""


def find(tariff: Iterable[Rates], operation: str, model: str) -> Rates:
    """The row whose glob matches `model` best: the longest, an exact name first.

    Raises: UnpricedModel.
    """
    matching = [
        rates
        for rates in tariff
        if rates.operation == operation and fnmatchcase(model, rates.model)
    ]
    if not matching:
        raise UnpricedModel(f"{operation} {model}")
    return max(matching, key=lambda rates: (rates.model == model, len(rates.model)))
