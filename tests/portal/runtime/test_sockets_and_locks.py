"""Looking at a process's sockets leaves its other files alone.

Linux forgets a process's locks of a file when any descriptor of that file is closed.
One of SQLite's database, copied for a look and closed, let two processes write at once:
under `make siege` the database was malformed after.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

# A process that writes, and looks meanwhile; then another one tries to write.
LOOKING = """
import os, sqlite3, subprocess, sys
from contextlib import suppress
from portal.runtime import connections

def look():
    for each in connections.open_connections(1):
        each.socket.close()

def look_at_files():
    for name in os.listdir(connections.FILES):
        with suppress(OSError), connections._socket(int(name)):
            pass

looks = {"look": look, "listeners": connections.close_listeners, "files": look_at_files}
path, chosen, code = sys.argv[1:]
writer = sqlite3.connect(path, isolation_level=None)
writer.execute("BEGIN IMMEDIATE")
for looking in (lambda: None, looks[chosen]):
    looking()
    subprocess.run([sys.executable, "-c", code, path], check=True)
"""
WRITING = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0).execute("BEGIN IMMEDIATE")
    print("free")
except sqlite3.OperationalError as error:
    print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's /proc")
@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize(
    "looking",
    [
        pytest.param("look", id="connections are counted"),
        pytest.param("listeners", id="listeners are closed"),
        pytest.param("files", id="a socket's number became a file's since"),
    ],
)
def test_who_looks_at_sockets_keeps_the_locks_of_files(
    tmp_path: Path, journal: str, looking: str
) -> None:
    path = tmp_path / "db"
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute(f"PRAGMA journal_mode = {journal}")
        made.execute("CREATE TABLE things (name text)")
    command = [sys.executable, "-c", LOOKING, str(path), looking, WRITING]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["database is locked"] * 2
