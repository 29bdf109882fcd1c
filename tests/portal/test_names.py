"""Names: whatever people write, and nothing that hides or turns text around."""

from __future__ import annotations

import pytest

from portal.tenants import names
from portal.tenants.errors import InvalidName


@pytest.mark.parametrize(
    "name", ["Acme", "Søren & Söhne", "株式会社", "<b>bold</b>", "=1+1", "می‌خواهم"]
)
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert names.clean(f"  {name} ") == name


def test_one_spelling_of_each_name() -> None:
    assert names.clean("Cafe\u0301") == "Caf\u00e9"


@pytest.mark.parametrize(
    "name",
    [
        *("", "   ", "a\nb", "a\r\nSet-Cookie: x", "a\0b", "a\x1b[31m", "a\u2028b"),
        *("evil\u202egnp.exe", "a\u200bb", "a\u2066b", "\ufeffx", "x" * 101),
        "a\ud800b",
    ],
)
def test_names_that_hide_something_are_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        names.clean(name)
