"""Costs by the tariff: a call's upper bound, and what was measured.

Pure functions over integers in microcredits; no database, no rounding down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from billing.values.amounts import PPM


@dataclass(frozen=True, slots=True)
class Units:
    """How much of everything a call uses, or may use at most."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    images: int = 0
    web_search: bool = False
    characters: int = 0  # of text that is spoken
    media_ms: int = 0  # milliseconds of sound or video
    # What was chosen that changes the price of images and media: "4k", "1792x1024".
    options: tuple[str, ...] = ()


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
    character_micros: int = 0
    second_micros: int = 0
    factors: Mapping[str, int] = field(  # option → ppm
        default_factory=dict, metadata={"stored": "factors_ppm"}
    )

    def cost_micros(self, units: Units) -> int:
        """What `units` cost, in microcredits, rounded up to the quantum."""
        exact = (
            self.base_micros
            + units.prompt_tokens * self.prompt_token_micros
            + units.completion_tokens * self.completion_token_micros
            + units.characters * self.character_micros
            + self._media_micros(units)
            + (self.web_search_micros if units.web_search else 0)
        )
        return -(-exact // self.quantum_micros) * self.quantum_micros

    def _media_micros(self, units: Units) -> int:
        """Images and seconds, times the factor of each option, rounded up."""
        micros = units.images * self.image_micros
        micros += -(-units.media_ms * self.second_micros // 1000)
        for option in units.options:
            micros = -(-micros * self.factors.get(option, PPM) // PPM)
        return micros


class UnpricedModel(LookupError):
    """No row of the tariff matches: the call cannot be bounded, so it is refused."""


def rates_for(tariff: Iterable[Rates], operation: str, model: str) -> Rates:
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
