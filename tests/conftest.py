"""What every test stands on: environment first, then database, services, the cast.

Two kinds of database tests, which never mix (collection refuses it):

- `db`: everything happens in one transaction that is rolled back, in a database where
  nobody commits. The default.
- `committed_db` (implied by `live_gateway` and `gateway`): real commits, seen by other
  processes and threads. Nothing is ever flushed: make an organization of your own
  and count only what belongs to it.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import django
import hypothesis
import pytest
from django.conf import settings
from pytest_django import DjangoDbBlocker

from tests.support.services import database, environment, requirements, static_files

# Collecting makes objects that stay, among which there is no garbage to be found.
gc.disable()

if settings.configured:
    # pytest-django has read the settings from the developer's own environment.
    pytest.exit("unset DJANGO_SETTINGS_MODULE: the suite sets it", returncode=4)
why_unavailable = environment.prepare()
django.setup()
static_files.find_once()

# The plugins are imported after this line, so they may import models.
pytest_plugins = [
    "tests.support.services.fixtures",
    "tests.support.services.selection",
    "tests.support.services.rolled_back",
    "tests.support.cast",
]

# No deadline: on a busy machine a single example may be slow without being wrong.
hypothesis.settings.register_profile("suite", deadline=None, print_blob=True)
hypothesis.settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    if why_unavailable is None:
        return
    if not requirements.may_skip():
        pytest.exit(f"{why_unavailable}, and REQUIRE_SERVICES=1", returncode=1)
    config.stash[requirements.UNAVAILABLE] = why_unavailable


def pytest_collection_finish() -> None:
    """What is loaded now is never freed, and a test leaves little garbage: looking for
    it all the time is a sixth of what the portal's tests cost."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    # A worker that inherited it would read the settings before its own `prepare`.
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


def pytest_report_header() -> str:
    found = [
        f"database: {why_unavailable or environment.wanted_database()}",
        f"redis: {requirements.find_program('redis-server') or 'missing'}",
        f"chromium: {requirements.find_program('chromium') or 'missing'}",
    ]
    return ", ".join(found)


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """The session's database, instead of pytest-django's: see services/database.py."""
    from tests.support.services import rolled_back  # a plugin: not before pytest

    with django_db_blocker.unblock():
        database.create()
        rolled_back.make()
    yield
    with django_db_blocker.unblock():
        database.disconnect()


@pytest.fixture
def committed_db(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """The database for real: commits stay, other threads and processes see them. What
    the gateway learned in one test is unknown in the next."""
    with django_db_blocker.unblock():
        database.forget_lessons()
        yield
        database.close_connections()


@pytest.fixture
def database_url(django_db_setup: None) -> str:
    """The test database, as another process names it."""
    return os.environ["DATABASE_URL"]
