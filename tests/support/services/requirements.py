"""A missing program skips its tests visibly, or fails them when nothing may be missing.

`REQUIRE_SERVICES=1` (`.ci/run`) means the second.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

POSTGRESQL_HOME = Path("/usr/lib/postgresql")
# Why database tests can't run, in pytest's configuration.
UNAVAILABLE = pytest.StashKey[str]()


def may_skip() -> bool:
    return os.environ.get("REQUIRE_SERVICES", "") in {"", "0"}


def missing(what: str) -> NoReturn:
    """End the test (from a fixture): skipped, or failed under REQUIRE_SERVICES=1."""
    if may_skip():
        pytest.skip(f"{what} is not installed")
    pytest.fail(f"{what} is not installed, and REQUIRE_SERVICES=1", pytrace=False)


def find_program(*names: str) -> str | None:
    """The first of these programs that is on the PATH."""
    return next(filter(None, map(shutil.which, names)), None)


def find_postgresql() -> Path | None:
    """The folder that has PostgreSQL's server programs, the newest version first.

    Debian keeps them off the PATH; a link on the PATH is followed to its folder.
    """
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    if POSTGRESQL_HOME.is_dir():
        versions = sorted(
            (path for path in POSTGRESQL_HOME.iterdir() if path.name.isdigit()),
            key=lambda path: int(path.name),
            reverse=True,
        )
        folders += [version / "bin" for version in versions]
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None
