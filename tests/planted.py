"""`python -m tests.planted`: breaks each rule of budgets, runs and lots in turn, and
lists which test noticed. Exit 0 when every planted bug was caught.

Names among the arguments choose some of them.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.ledger.planted import BUGS, VARIABLE

PLUGIN = "tests.support.ledger.planted"
PASSED, FAILED = 0, 1  # pytest's exit codes
SECONDS_MAX = 900


def outcome(test: str, database: str, bug: str = "") -> int:
    """Pytest's exit code, with this bug planted."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", PLUGIN, test]
    found = subprocess.run(
        command,
        env=os.environ
        | {"TEST_DATABASE": database, VARIABLE: bug, "BUDGET_RACES": "5"},
        capture_output=True,
        timeout=SECONDS_MAX,
    )
    return found.returncode


def main(chosen: list[str]) -> int:
    bugs = {name: bug for name, bug in BUGS.items() if not chosen or name in chosen}
    if set(chosen) - bugs.keys():
        say("no such bugs", ", ".join(sorted(set(chosen) - bugs.keys())), "")
        return 2
    wrong = 0
    for test, database in dict.fromkeys((b.test, b.database) for b in bugs.values()):
        code = outcome(test, database)
        wrong += code != PASSED
        say("sound" if code == PASSED else f"FAILS UNPLANTED ({code})", "", test)
    for name, bug in bugs.items():
        code = outcome(bug.test, bug.database, name)
        wrong += code != FAILED
        say("caught" if code == FAILED else f"MISSED ({code})", name, bug.test)
    say(f"{len(bugs)} planted", f"{wrong} wrong", "")
    return int(wrong > 0)


def say(*columns: str) -> None:
    sys.stdout.write(f"{columns[0]:<24}{columns[1]:<36}{columns[2]}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
