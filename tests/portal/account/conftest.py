"""Passwords are hashed quickly here, and counted."""

from __future__ import annotations

from typing import Any

import pytest

from portal.models import User
from tests.support.cast import PASSWORD, make_user
from tests.support.portal.accounts import COUNTING, CountingHasher


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = COUNTING
    CountingHasher.hashed.clear()


@pytest.fixture
def carol(db: None) -> User:
    """Has a password, and is in no organization."""
    return make_user("carol@example.com", PASSWORD)
