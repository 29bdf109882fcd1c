"""Pure parts: tokens, answers, prices."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.sandbox import answers, chat, prices, tokens


@given(st.text())
def test_tokens_never_exceed_the_bytes(text: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    assert tokens.count(text) == len(tokens.split(text)) <= size
    assert "".join(tokens.split(text)) == text.rstrip()


@given(st.text(), st.integers(0, 20))
def test_the_first_tokens_count_as_many(text: str, limit: int) -> None:
    pieces = tokens.split(text)[:limit]
    assert tokens.count("".join(pieces)) == len(pieces)


def test_tokens_are_short() -> None:
    assert tokens.split("Hello, wide world!") == [
        "Hell",
        "o",
        ",",
        " wide",
        " worl",
        "d",
        "!",
    ]


@given(st.text(min_size=1), st.integers(0, 3))
@example("^" * 41, 2)  # every character is a token: 141
def test_answers_are_of_a_sensible_length(text: str, index: int) -> None:
    messages = [{"role": "user", "content": text}]
    answer = answers.write("openai/gpt-4o", messages, index=index)
    assert answer == answers.write("openai/gpt-4o", messages, index=index)
    assert 20 <= tokens.count(answer) <= 143


@given(st.text())
def test_chunks_lose_nothing(text: str) -> None:
    pieces = tokens.split(text)
    assert sum(chat.chunks(pieces), []) == pieces


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("", "nothing in particular"),
        ("  two \n words ", "two words"),
        ("x" * 50, "x" * 40 + "…"),
        (
            "every word of this one is whole, really whole",
            "every word of this one is whole, really…",
        ),
    ],
)
def test_the_topic_is_the_beginning_of_the_prompt(text: str, topic: str) -> None:
    messages = [{"role": "user", "content": text}, {"role": "system", "content": "s"}]
    assert answers.topic(messages) == topic


@pytest.mark.parametrize(
    ("tier", "prompt", "completion", "expected"),
    [
        ("fast", 1, 0, {"prompt": 1, "completion": 0}),
        ("fast", 1000, 500, {"prompt": 1, "completion": 1}),
        ("fast", 1001, 501, {"prompt": 2, "completion": 2}),
        ("standard", 1000, 1000, {"prompt": 5, "completion": 10}),
        ("premium", 100, 100, {"prompt": 1, "completion": 3}),
        ("premium", 101, 101, {"prompt": 2, "completion": 4}),
    ],
)
def test_each_part_is_rounded_up(
    tier: str, prompt: int, completion: int, expected: dict[str, int]
) -> None:
    breakdown = prices.chat(
        tier, prompt=prompt, completion=completion, images=0, web_search=False
    )
    assert breakdown == expected


@pytest.mark.parametrize(("count", "credits"), [(0, 1), (1, 1), (1000, 1), (1001, 2)])
def test_embeddings_cost_a_credit_a_thousand(count: int, credits: int) -> None:
    assert prices.embedding(count) == {"prompt": credits}
