"""What a call is priced by, as JSON that outlives a release. Amounts in microcredits.

A job keeps it until it is over: a tariff changed meanwhile changes nothing. The names
in here belong to stored rows; they change only with a new version. `tests/billing`
keeps an example of each.
"""

from __future__ import annotations

from typing import Any

from billing.pricing.rates import Rates, Units
from billing.values.fields import Fields

VERSION = 1


def rates_to_json(rates: Rates) -> dict[str, Any]:
    """A row of the tariff, for `rates_from_json`."""
    return {
        "v": VERSION,
        "operation": rates.operation,
        "model": rates.model,
        "base": rates.base_micros,
        "prompt_token": rates.prompt_token_micros,
        "completion_token": rates.completion_token_micros,
        "image": rates.image_micros,
        "web_search": rates.web_search_micros,
        "quantum": rates.quantum_micros,
        "completion_tokens_max": rates.completion_tokens_max,
        "character": rates.character_micros,
        "second": rates.second_micros,
        "factors_ppm": dict(rates.factors),
    }


def rates_from_json(values: object) -> Rates:
    """Raises: ValueError, which says why, for what `rates_to_json` has not made."""
    fields = Fields(values)
    fields.version(VERSION)
    rates = Rates(
        operation=fields.take("operation", str),
        model=fields.take("model", str),
        base_micros=fields.take("base", int),
        prompt_token_micros=fields.take("prompt_token", int),
        completion_token_micros=fields.take("completion_token", int),
        image_micros=fields.take("image", int),
        web_search_micros=fields.take("web_search", int),
        quantum_micros=fields.take("quantum", int),
        completion_tokens_max=fields.take("completion_tokens_max", int),
        character_micros=fields.take("character", int),
        second_micros=fields.take("second", int),
        factors=fields.numbers("factors_ppm"),
    )
    fields.end()
    return rates


def units_to_json(units: Units) -> dict[str, Any]:
    """How much a call uses, for `units_from_json`."""
    return {
        "v": VERSION,
        "prompt_tokens": units.prompt_tokens,
        "completion_tokens": units.completion_tokens,
        "images": units.images,
        "web_search": units.web_search,
        "characters": units.characters,
        "media_ms": units.media_ms,
        "options": list(units.options),
    }


def units_from_json(values: object) -> Units:
    """Raises: ValueError, which says why, for what `units_to_json` has not made."""
    fields = Fields(values)
    fields.version(VERSION)
    units = Units(
        prompt_tokens=fields.take("prompt_tokens", int),
        completion_tokens=fields.take("completion_tokens", int),
        images=fields.take("images", int),
        web_search=fields.take("web_search", bool),
        characters=fields.take("characters", int),
        media_ms=fields.take("media_ms", int),
        options=fields.texts("options"),
    )
    fields.end()
    return units
