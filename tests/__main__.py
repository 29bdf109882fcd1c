"""`python -m tests`: the whole suite on SQLite and, beside it, the second run on
PostgreSQL, and the clients, most of whose time is their installation. Options are
pytest's.

Each waits much and computes little, so that three take hardly longer than one. The
reports of the others come when SQLite's is over.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

NOTHING_SELECTED = 5  # pytest's exit code
CLIENTS = "tests/clients"


def main(options: list[str]) -> int:
    """0 when all runs passed; else the exit code of the first that did not."""
    beside = {
        "PostgreSQL, what touches the database (skipped if not installed)": (
            "postgres",
            ["--database-tests", *options],
        )
    }
    first = options
    if not any(Path(option.partition("::")[0]).exists() for option in options):
        beside["SQLite, the clients"] = ("sqlite", [CLIENTS, *options])
        first = [f"--ignore={CLIENTS}", *options]
    say("SQLite, everything (what runs beside it reports after it)")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        others = []
        for number, (name, (database, its_options)) in enumerate(beside.items()):
            report = Path(folder, f"{number}.txt")
            output = stack.enter_context(report.open("wb"))
            process = stack.enter_context(run(database, its_options, output))
            others.append((name, report, process))
        codes = [stack.enter_context(run("sqlite", first)).wait()]
        for name, report, process in others:
            say(name)
            # A selection may leave nothing for it.
            is_empty = process.wait() == NOTHING_SELECTED and bool(options)
            codes.append(0 if is_empty else process.returncode)
            sys.stdout.write(report.read_text(errors="replace"))
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
