"""`python -m tests`: the whole suite on SQLite and, beside it, the second run on
PostgreSQL. Options are pytest's.

Each waits much and computes little, so that two take hardly longer than one.
PostgreSQL's report comes when SQLite's is over.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

NOTHING_SELECTED = 5  # pytest's exit code


def main(options: list[str]) -> int:
    """0 when both runs passed; else the exit code of the first that did not."""
    say("SQLite, everything (PostgreSQL runs beside it, and reports after it)")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "postgresql.txt")
        with (
            report.open("wb") as output,
            run("postgres", ["--database-tests", *options], output) as second,
            run("sqlite", options) as first,
        ):
            codes = [first.wait()]
            say("PostgreSQL, what touches the database (skipped if not installed)")
            second.wait()
        sys.stdout.write(report.read_text(errors="replace"))
    # A selection may leave nothing for the second run.
    is_empty = second.returncode == NOTHING_SELECTED and bool(options)
    codes.append(0 if is_empty else second.returncode)
    return next((code for code in codes if code), 0)


def run(
    database: str, options: list[str], output: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  our own command, no shell
        [sys.executable, "-m", "pytest", *options],
        env=os.environ | {"TEST_DATABASE": database},
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
    )


def say(line: str) -> None:
    sys.stdout.write(f"==> {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
