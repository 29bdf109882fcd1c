"""The README's pictures of the portal are there, small, and all made by one command."""

from __future__ import annotations

import re

import pytest

from tests import pictures
from tests.support import sources

pytestmark = pytest.mark.once
BYTES_MAX = 600_000  # of all together
USED = re.compile(r"portal/pictures/([\w.-]+)")


def test_each_is_made_by_the_command_and_shown_in_the_readme() -> None:
    made = set(pictures.file_names())
    there = {path.name for path in pictures.FOLDER.iterdir()}
    readme = sources.text_of(sources.ROOT / "README.md") or ""
    assert there == made
    assert set(USED.findall(readme)) == made


def test_they_are_small_and_no_other_files() -> None:
    found = [path.read_bytes() for path in pictures.FOLDER.iterdir()]
    assert all(each[:4] == b"RIFF" and each[8:12] == b"WEBP" for each in found)
    assert sum(map(len, found)) <= BYTES_MAX
