"""Rates and units as a job's row keeps them: readable after the next release."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from billing.pricing import stored
from billing.pricing.rates import Rates, Units

# Rows hold such objects: not to be changed, but by a new version beside them.
RATES_JSON: dict[str, Any] = {
    "v": 1,
    "operation": "videos",
    "model": "vendor/video-*",
    "base": 1,
    "prompt_token": 2,
    "completion_token": 3,
    "image": 4,
    "web_search": 5,
    "quantum": 1_000_000,
    "completion_tokens_max": 6,
    "character": 7,
    "second": 8,
    "factors_ppm": {"4k": 2_000_000},
}
RATES = Rates(
    operation="videos",
    model="vendor/video-*",
    base_micros=1,
    prompt_token_micros=2,
    completion_token_micros=3,
    image_micros=4,
    web_search_micros=5,
    quantum_micros=1_000_000,
    completion_tokens_max=6,
    character_micros=7,
    second_micros=8,
    factors={"4k": 2_000_000},
)
UNITS_JSON: dict[str, Any] = {
    "v": 1,
    "prompt_tokens": 1,
    "completion_tokens": 2,
    "images": 3,
    "web_search": True,
    "characters": 4,
    "media_ms": 5000,
    "options": ["4k", "60fps"],
}
UNITS = Units(1, 2, 3, True, 4, 5000, ("4k", "60fps"))


def test_stored_examples_are_written_and_read_as_ever() -> None:
    assert stored.to_json(RATES) == RATES_JSON
    assert stored.from_json(Rates, RATES_JSON) == RATES
    assert stored.to_json(UNITS) == UNITS_JSON
    assert stored.from_json(Units, UNITS_JSON) == UNITS


@pytest.mark.parametrize(
    ("read", "example"),
    [
        (partial(stored.from_json, Rates), RATES_JSON),
        (partial(stored.from_json, Units), UNITS_JSON),
    ],
)
def test_whatever_else_a_row_has_is_refused(
    read: Callable[[object], object], example: dict[str, Any]
) -> None:
    for name in example:
        for wrong in (None, 1.5, "1" if name != "model" else 1, {"a": "b"}, [1]):
            if name == "operation" and wrong == "1":
                continue
            with pytest.raises(ValueError, match=name if name != "v" else "v"):
                read(example | {name: wrong})
        with pytest.raises(ValueError, match=name):
            read({key: value for key, value in example.items() if key != name})
    with pytest.raises(ValueError, match="version 2, and only 1 is known here"):
        read(example | {"v": 2})
    with pytest.raises(ValueError, match="unknown: more"):
        read(example | {"more": 1})
    with pytest.raises(ValueError, match="not an object"):
        read(None)
