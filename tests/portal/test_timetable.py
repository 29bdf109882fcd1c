"""Whatever the timetable names exists: a missing task fails at night, unseen."""

from __future__ import annotations

import pytest

from portal.celery import app

ENTRIES = app.conf.beat_schedule


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_an_entry_names_a_task_that_there_is(name: str) -> None:
    app.loader.import_default_modules()

    assert ENTRIES[name]["task"] in app.tasks
