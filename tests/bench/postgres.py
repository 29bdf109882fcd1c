"""A private PostgreSQL cluster: a temporary folder, a Unix socket, default safety."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from tests.bench import servers

INSTALLED = Path("/usr/lib/postgresql")
ROLE = "tollgate"
START_SECONDS = 30


class Missing(Exception):
    """This machine cannot run PostgreSQL; the text says why."""


@dataclass(frozen=True)
class Cluster:
    pid: int
    url: str
    version: str


def binary(name: str) -> str:
    found = shutil.which(name)
    if found:
        return found
    versions = sorted(
        (path for path in INSTALLED.glob("*/bin") if path.parent.name.isdigit()),
        key=lambda path: int(path.parent.name),
    )
    if not versions or not (versions[-1] / name).exists():
        raise Missing(f"no `{name}` in PATH or {INSTALLED}")
    return str(versions[-1] / name)


def owner() -> dict[str, Any]:
    """Popen's arguments for the account to run as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        raise Missing("we are root and there is no account `postgres`") from None
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@contextmanager
def cluster(parent: Path | None) -> Iterator[Cluster]:
    """Raises: Missing where it cannot run; servers.Broken where it did not start."""
    postgres, initdb, account = binary("postgres"), binary("initdb"), owner()
    folder = Path(tempfile.mkdtemp(prefix="bench-pg-", dir=parent))
    try:
        if account:
            os.chown(folder, account["user"], account["group"])
        data, log = folder / "data", folder / "log"
        command = [initdb, "-D", str(data), "-U", ROLE, "--auth=trust", "-E", "UTF8"]
        made = subprocess.run(  # noqa: S603  our own command, no shell
            [*command, "--no-locale"], capture_output=True, cwd="/", **account
        )
        if made.returncode:
            raise Missing(made.stderr.decode(errors="replace").strip())
        command = [postgres, "-D", str(data), "-k", str(folder), "-h", ""]
        env = servers.environment()
        with servers.running(command, log=log, env=env, **account) as pid:
            version = wait_ready(folder, log)
            # django-environ reads a second slash as "the host is a socket's folder"
            url = f"postgres://{ROLE}@/{quote(str(folder))}/postgres"
            yield Cluster(pid=pid, url=url, version=version)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_ready(folder: Path, log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with psycopg.connect(
                host=str(folder), user=ROLE, dbname="postgres"
            ) as connection:
                return str(connection.info.server_version // 10_000)
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                tail = servers.log_tail(log)
                raise servers.Broken(f"PostgreSQL did not start:\n{tail}") from error
            time.sleep(0.1)
