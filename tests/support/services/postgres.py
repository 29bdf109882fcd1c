"""A private PostgreSQL cluster: one temporary folder, one Unix socket, no network."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

from tests.support.services import processes
from tests.support.waiting import PATIENCE_SECONDS

USER = "tollgate"
# A Unix socket's path may be 107 bytes long; a deep TMPDIR would not leave room.
SOCKET_PATH_MAX = 90


class Cluster:
    """initdb, run, throw away. Durability settings stay PostgreSQL's defaults; unless
    it does not wait for the disk: a commit still outlives a kill, for the system has
    it, but no loss of power."""

    def __init__(self, programs: Path, *, waits_for_disk: bool = True) -> None:
        self.programs = programs
        self.settings = ["listen_addresses=", "max_connections=200"]
        if not waits_for_disk:
            self.settings += ["fsync=off", "full_page_writes=off"]

    def start(self) -> Self:
        self.folder = _folder()
        self.owner = _owner(self.folder)
        subprocess.run(
            [
                str(self.programs / "initdb"),
                *("--pgdata", str(self.folder / "data")),
                *("--username", USER, "--auth", "trust"),
                *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            **self.owner,
        )
        self.launch()
        return self

    def launch(self) -> None:
        """Start the server over the existing data; also after `crash`."""
        server = [
            str(self.programs / "postgres"),
            *("-D", str(self.folder / "data")),
            *("-k", str(self.folder)),
            *(f"--{setting}" for setting in self.settings),
        ]
        log = self.folder / "log"
        # The log belongs to the suite's user, the server only inherits the handle.
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                processes.dying_with_parent(server, "QUIT"),
                stdout=output,
                stderr=output,
                cwd=self.folder,
                start_new_session=True,
                **self.owner,
            )
        processes.wait_until(
            self._accepts_connections,
            process=self.process,
            explain=lambda: log.read_text(errors="replace")[-2000:],
        )

    def url(self, database: str) -> str:
        """In the form that libpq and django-environ both understand."""
        return f"postgres://{USER}@/{database}?host={self.folder}"

    def crash(self) -> None:
        """Immediate shutdown, as after a power cut; `launch` recovers from the log."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(PATIENCE_SECONDS)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.crash()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accepts_connections(self) -> bool:
        probe = [str(self.programs / "pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(probe, check=False, cwd=self.folder).returncode == 0


def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="tollgate-pg-")
    if len(folder) > SOCKET_PATH_MAX:
        Path(folder).rmdir()
        folder = tempfile.mkdtemp(prefix="tollgate-pg-", dir="/tmp")
    return Path(folder)


def _owner(folder: Path) -> dict[str, Any]:
    """Arguments for Popen. PostgreSQL refuses root: then another user owns it all."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
