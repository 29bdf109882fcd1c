"""`python -m tests`: the runs of `make test`, beside each other. Options are pytest's.

Four processes share SQLite's run, and three share PostgreSQL's, which takes only what
touches the database: both end at about the same time. Each has a database of its own
(`-n0` among the options makes it one process, as `--pdb` needs). A test waits more than
it computes: two cores carry all of them. The client programs have a run of their own,
`make clients`.

Compiled files are kept, though PYTHONDONTWRITEBYTECODE be set, as images of machines
often have it: else each of the seven, and all that they start, compiles everything.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

NOTHING_SELECTED = 5  # pytest's exit code
CLIENTS = "tests/clients"
KEEPS_NOTHING = "PYTHONDONTWRITEBYTECODE"
# Whoever has nothing left takes tests from the others.
SHARED = ["--dist=worksteal"]
PROCESSES = {"sqlite": "-n4", "postgres": "-n3"}


@dataclass(frozen=True)
class Run:
    name: str
    database: str
    options: list[str]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"TEST_DATABASE": self.database, KEEPS_NOTHING: ""}

    def start(self, output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  our own command, no shell
            [sys.executable, "-m", "pytest", *self.options],
            env=self.environment,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
        )


def runs(options: list[str]) -> tuple[Run, list[Run]]:
    """The run whose report is shown as it comes, and those that report after it."""
    first = Run("SQLite", "sqlite", options)
    others = [
        Run(
            "PostgreSQL, what touches the database (skipped if not installed)",
            "postgres",
            ["--database-tests", *options],
        )
    ]
    is_selection = any(Path(each.partition("::")[0]).exists() for each in options)
    if not is_selection:
        first = replace(first, options=[f"--ignore={CLIENTS}", *options])
        first, *others = [
            replace(run, options=[PROCESSES[run.database], *SHARED, *run.options])
            for run in (first, *others)
        ]
    return first, others


def main(options: list[str]) -> int:
    """0 when all runs passed; else the exit code of the first that did not."""
    first, others = runs(options)
    say(f"{first.name} (the other runs report after it)")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        started = []
        for number, run in enumerate(others):
            report = Path(folder, f"{number}.txt")
            process = run.start(stack.enter_context(report.open("wb")))
            started.append((run, report, stack.enter_context(process)))
        codes = [stack.enter_context(first.start()).wait()]
        for run, report, process in started:
            say(run.name)
            # A selection may leave nothing for it.
            is_empty = process.wait() == NOTHING_SELECTED and bool(options)
            codes.append(0 if is_empty else process.returncode)
            sys.stdout.write(report.read_text(errors="replace"))
    return next((code for code in codes if code), 0)


def say(line: str) -> None:
    sys.stdout.write(f"==> {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
