"""A worker that is killed while it writes an export: another one writes it whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings

from portal.documents import exports, making
from portal.documents.kinds import Format, Kind
from portal.models import Export, ExportState
from tests.support.cast import (
    actor_of,
    make_call,
    make_key,
    make_organization,
    make_user,
)
from tests.support.portal.documented import later

KILLED = """
import os, signal, sys
os.environ["VAR_DIR"] = sys.argv[1]
import django
django.setup()
from portal.documents import making, write
write.TELL_EVERY = 1
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
making._beat = die
making.BEAT_SECONDS = 0
making.make_due()
"""


@pytest.mark.sqlite_only
def test_a_worker_that_is_killed_while_it_writes_is_followed_by_another(
    committed_db: None, tmp_path: Path, database_url: str, settings: Settings
) -> None:
    settings.VAR_DIR = tmp_path
    Export.objects.filter(state=ExportState.QUEUED).update(state=ExportState.FAILED)
    owner = make_user(f"{uuid4().hex}@example.com")
    organization = make_organization(f"Killed {uuid4().hex}", owner)
    key, _ = make_key(organization, owner)
    for _ in range(3):
        make_call(key)
    today, actor = timezone.now().date(), actor_of(owner)
    export = exports.ask(
        organization, Kind.USAGE, Format.CSV, today, today, actor=actor
    )
    environment = {**os.environ, "DATABASE_URL": database_url}
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env=environment,
        timeout=120,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    export.refresh_from_db()
    assert (export.state, export.file) == (ExportState.RUNNING, "")
    with later(seconds=making.STALE.total_seconds() + 60):
        assert making.make_due() == 1
    export.refresh_from_db()
    assert (export.state, export.rows) == (ExportState.READY, 3)
