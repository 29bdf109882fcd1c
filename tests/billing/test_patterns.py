"""Names that stand for many."""

from __future__ import annotations

import time

import pytest

from billing.values.patterns import matches


@pytest.mark.parametrize(
    ("pattern", "name", "is_matched"),
    [
        ("m", "m", True),
        ("m", "mm", False),
        ("m", "M", False),
        ("*", "", True),
        ("*", "anything/at.all", True),
        ("openai/*", "openai/gpt-4o", True),
        ("openai/*", "openai/", True),
        ("openai/*", "xopenai/gpt", False),
        ("*-mini", "gpt-4o-mini", True),
        ("*-mini", "gpt-4o-mini-2", False),
        ("a*b*c", "a-b-c", True),
        ("a*b*c", "abc", True),
        ("a*b*c", "acb", False),
        ("a*ba", "aba", True),
        ("aba*aba", "aba", False),
        ("ab*ba", "aba", False),
        ("[a]?", "a1", False),
        ("[a]?", "[a]?", True),
        (".*", "x", False),
    ],
)
def test_a_star_is_any_text_and_nothing_else_is(
    pattern: str, name: str, is_matched: bool
) -> None:
    assert matches((pattern,), name) is is_matched


def test_one_of_a_list_is_enough_and_none_is_everything() -> None:
    assert matches((), "x")
    assert matches(("a", "b*"), "bc")
    assert not matches(("a", "b*"), "c")


def test_no_pattern_takes_long() -> None:
    began = time.process_time()
    assert not matches(("*a" * 60 + "*b",), "a" * 100_000)
    assert time.process_time() - began < 5
