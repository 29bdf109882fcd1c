"""Prices of the tariff: never negative, never lower for more, the best row found."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.models import Tariff
from billing.pricing import tariffs
from billing.pricing.rates import Rates, Units, UnpricedModel, rates_for
from billing.values.orders import CREDIT

micros = st.integers(0, 10**9)
counts = st.integers(0, 10**6)
rates = st.builds(
    Rates,
    operation=st.just("chat.completions"),
    model=st.just("*"),
    base_micros=micros,
    prompt_token_micros=micros,
    completion_token_micros=micros,
    image_micros=micros,
    web_search_micros=micros,
    quantum_micros=st.integers(1, 10**7),
    completion_tokens_max=st.just(4096),
    character_micros=micros,
    second_micros=micros,
)
units = st.builds(Units, counts, counts, counts, st.booleans(), counts, counts)


def row(model: str, operation: str = "chat.completions", **changes: Any) -> Rates:
    figures: dict[str, Any] = {
        "base_micros": 0,
        "prompt_token_micros": 0,
        "completion_token_micros": 0,
        "image_micros": 0,
        "web_search_micros": 0,
        "quantum_micros": 1,
        "completion_tokens_max": 4096,
    }
    return Rates(operation, model, **(figures | changes))


@given(rates, units)
def test_a_cost_is_a_whole_number_of_quanta_and_rounded_up(
    rates: Rates, units: Units
) -> None:
    cost = rates.cost_micros(units)
    parts = (
        rates.base_micros,
        units.prompt_tokens * rates.prompt_token_micros,
        units.completion_tokens * rates.completion_token_micros,
        units.images * rates.image_micros,
        units.characters * rates.character_micros,
        -(-units.media_ms * rates.second_micros // 1000),
        units.web_search * rates.web_search_micros,
    )

    assert cost % rates.quantum_micros == 0
    assert 0 <= cost - sum(parts) < rates.quantum_micros
    assert isinstance(cost, int)


@given(rates, units, units)
def test_more_is_never_cheaper(rates: Rates, some: Units, more: Units) -> None:
    both = Units(
        some.prompt_tokens + more.prompt_tokens,
        some.completion_tokens + more.completion_tokens,
        some.images + more.images,
        some.web_search or more.web_search,
        some.characters + more.characters,
        some.media_ms + more.media_ms,
    )

    assert rates.cost_micros(some) <= rates.cost_micros(both)


@given(rates, counts, counts)
def test_a_call_split_into_many_is_never_cheaper(
    rates: Rates, one: int, another: int
) -> None:
    split = rates.cost_micros(Units(one)) + rates.cost_micros(Units(another))

    assert rates.cost_micros(Units(one + another)) <= split


@pytest.mark.parametrize(
    ("figures", "units", "cost"),
    [
        ({"base_micros": 7}, Units(), 7),
        ({"prompt_token_micros": 3}, Units(prompt_tokens=5), 15),
        ({"completion_token_micros": 4}, Units(completion_tokens=5), 20),
        ({"image_micros": 6}, Units(images=2), 12),
        ({"web_search_micros": 8}, Units(web_search=True), 8),
        ({"web_search_micros": 8}, Units(), 0),
        ({"base_micros": 1, "quantum_micros": 10}, Units(), 10),
        ({"base_micros": 10, "quantum_micros": 10}, Units(), 10),
    ],
)
def test_each_unit_has_its_rate(
    figures: dict[str, Any], units: Units, cost: int
) -> None:
    assert row("*", **figures).cost_micros(units) == cost


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("openai/gpt-4o", "openai/gpt-4o"),
        ("openai/gpt-4o-mini", "openai/gpt-4o-*"),
        ("openai/o3", "openai/*"),
        ("mistral/large", "*"),
        ("OpenAI/gpt-4o", "*"),
        ("literal[x]", "*"),  # a glob, which does not match itself
        ("literalx", "literal[x]"),
    ],
)
def test_the_most_specific_row_is_found(model: str, found: str) -> None:
    globs = ("*", "openai/*", "openai/gpt-4o-*", "openai/gpt-4o", "literal[x]")
    tariff = [row(glob) for glob in globs]

    assert rates_for(tariff, "chat.completions", model).model == found
    assert rates_for(tariff[::-1], "chat.completions", model).model == found


def test_an_exact_name_beats_a_longer_glob() -> None:
    tariff = [row("openai/gpt-4[o]"), row("openai/gpt-4o")]

    assert (
        rates_for(tariff, "chat.completions", "openai/gpt-4o").model == "openai/gpt-4o"
    )


def test_another_operations_rates_are_none() -> None:
    tariff = [row("*", operation="embeddings")]

    with pytest.raises(UnpricedModel, match=r"chat\.completions openai/gpt-4o"):
        rates_for(tariff, "chat.completions", "openai/gpt-4o")


def test_the_tariff_in_force_is_what_the_operator_stored(db: None) -> None:
    Tariff.objects.create(
        operation="speech", model="tts-*", base_micros=3, quantum_micros=2
    )
    found = rates_for(tariffs.current(), "speech", "tts-1")

    assert (found.base_micros, found.quantum_micros) == (3, 2)
    assert found.cost_micros(Units()) == 4


@pytest.mark.once
def test_the_first_tariff_covers_chat_and_embeddings(db: None) -> None:
    tariff = tariffs.current()
    chat = rates_for(tariff, "chat.completions", "any/model")
    embeddings = rates_for(tariff, "embeddings", "any/model")

    assert chat.cost_micros(Units(1, 1)) == 2_000_000
    assert Fraction(embeddings.cost_micros(Units(1001)), 1_000_000) == 2


def test_options_multiply_the_cost_of_images_and_seconds_only() -> None:
    rates = row(
        "*",
        base_micros=5,
        character_micros=7,
        image_micros=100,
        second_micros=10,
        factors={"4k": 4_000_000, "half": 500_000},
    )
    units = Units(images=1, characters=1, media_ms=1_500, options=("4k", "half"))
    assert rates.cost_micros(units) == 5 + 7 + (100 + 15) * 4 // 2
    assert rates.cost_micros(Units(images=1, options=("unheard of",))) == 105


def test_parts_of_a_second_and_of_a_factor_are_rounded_up() -> None:
    rates = row("*", second_micros=1, factors={"third": 333_333})
    assert rates.cost_micros(Units(media_ms=1)) == 1
    assert rates.cost_micros(Units(media_ms=4_000, options=("third",))) == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("operation", "model", "units", "credits"),
    [
        ("images.generations", "any", Units(images=2, options=("1024x1024",)), 50),
        ("images.generations", "fal-ai/flux/dev", Units(images=1), 10),
        ("images.edits", "any", Units(images=1, options=("512x512",)), 6),
        (
            "videos.generations",
            "any",
            Units(media_ms=5_000, options=("4k", "60fps")),
            600,
        ),
        ("music.generations", "any", Units(media_ms=30_000), 60),
        ("audio.speech", "any", Units(characters=1_001), 16),
        ("audio.transcriptions", "any", Units(media_ms=61_000), 7),
    ],
)
def test_the_first_tariff_knows_every_operation(
    operation: str, model: str, units: Units, credits: int
) -> None:
    rates = rates_for(tariffs.current(), operation, model)
    assert rates.cost_micros(units) == credits * CREDIT
