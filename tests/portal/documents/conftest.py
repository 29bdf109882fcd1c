"""What the tests of documents share."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings


@pytest.fixture
def own_folder(tmp_path: Path, settings: Settings) -> None:
    """Files of exports are made in a folder of the test's."""
    settings.VAR_DIR = tmp_path
