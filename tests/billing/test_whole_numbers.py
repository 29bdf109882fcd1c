"""Numbers from outside never raise, and mean what they say or nothing."""

from __future__ import annotations

import re

import pytest

from billing.values import numbers
from tests.support import sources

# Where the words are no numbers from outside that anything is computed with.
ELSEWHERE = {"billing/values/numbers.py", "portal/runtime/locations.py"}
ELSEWHERE |= {"proxy/http/reasons.py"}
DIGITS = re.compile(r"\.(isdigit|isdecimal|isnumeric)\(")


@pytest.mark.parametrize(
    ("text", "found", "at_most"),
    [
        ("0", 0, 0),
        ("007", 7, 7),
        ("100", 100, 100),
        ("101", None, 100),
        ("9" * 5000, None, 100),
        ("0" * 5000 + "5", 5, 5),
        *((text, None, None) for text in ("", "²", "٣", "-1", "+1", "1.0", "1e3")),
        *((text, None, None) for text in (" 1", "1 ", "1_0", "x", "1\n", "\x00")),
        *((other, None, None) for other in (None, 1, 1.5, b"1", ["1"])),
    ],
)
def test_a_number_is_read(text: object, found: int | None, at_most: int | None) -> None:
    assert numbers.whole(text, most=100) == found
    assert numbers.capped(text, most=100) == at_most


def test_it_may_not_be_too_small() -> None:
    assert numbers.whole("0", least=1, most=5) is None
    assert numbers.whole("1", least=1, most=5) == 1


def test_nothing_else_reads_digits() -> None:
    found = {
        sources.name_of(path)
        for path in sources.python_files(*sources.LAYERS)
        if "sandbox" not in path.parts and DIGITS.search(path.read_text())
    }
    found = {name for name in found if not re.search("sandbox|demo/", name)}
    assert found <= ELSEWHERE
