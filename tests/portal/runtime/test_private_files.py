"""Nobody else on the machine reads what is under VAR_DIR: sessions are in there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.runtime import environment
from tests.support import sources
from tests.support.waiting import PATIENCE_SECONDS

WRITE_EVERYTHING = """
from django.conf import settings
from django.db import connection
from portal.celery import app
from portal.runtime import migrating
with migrating.alone("default"):
    connection.cursor().execute("CREATE TABLE x AS SELECT 1")
app.send_task("portal.tasks.purge_sign_ins")
(settings.VAR_DIR / "demo.log").write_text("x")
import os
print(sorted(os.listdir(settings.VAR_DIR)))
"""


def open_to_others(folder: Path) -> Iterator[str]:
    for path in (folder, *folder.rglob("*")):
        if path.lstat().st_mode & 0o077:
            yield f"{path.relative_to(folder)} {stat.filemode(path.lstat().st_mode)}"


@pytest.mark.once
def test_what_a_command_writes_and_finds_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    (folder / "broker" / "messages").mkdir(parents=True, mode=0o755)
    for name in ("tollgate.sqlite3", "secret_key", "broker/messages/1.celery.msg"):
        (folder / name).touch()
        (folder / name).chmod(0o644)
    for path in (folder, folder / "broker", folder / "broker" / "messages"):
        path.chmod(0o755)
    (folder / "secret_key").write_text("x" * 64)
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v0", "-c", WRITE_EVERYTHING],
        cwd=sources.ROOT,
        env={
            **os.environ,
            "VAR_DIR": str(folder),
            "DATABASE_URL": "",
            "SECRET_KEY": "",
        },
        umask=0o022,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    for name in ("demo.log", "static", "broker", "tollgate.sqlite3-wal"):
        assert name in done.stdout
    assert len(list((folder / "broker" / "messages").iterdir())) == 2
    assert list(open_to_others(folder)) == []


def test_a_link_out_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o644)
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "program").touch()
    (folder / "program").chmod(0o755)
    before = os.umask(0o022)
    try:
        environment.keep_private(folder)
        assert os.umask(0o022) == 0o077
    finally:
        os.umask(before)
    assert outside.stat().st_mode & 0o777 == 0o644
    assert (folder / "program").stat().st_mode & 0o777 == 0o700
