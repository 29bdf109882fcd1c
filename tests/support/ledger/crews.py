"""A crew of processes that storm the ledger together, and what they report."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tests.support.services import processes
from tests.support.sources import ROOT

COMMAND = [sys.executable, "-m", "tests.support.ledger.storm"]
SECONDS_MAX = 300
# What is drawn can be drawn again; who comes first, nobody decides.
SEED_VARIABLE = "STORM_SEED"


class Crew:
    """Processes that wait for a line each; started once, used for many rounds."""

    def __init__(self, size: int) -> None:
        self.members = [
            subprocess.Popen(
                processes.dying_with_parent(COMMAND),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(size)
        ]
        for member in self.members:
            assert self._line(member) == "ready\n"

    def storm(
        self, scenes: Sequence[dict[str, Any]], look: Callable[[str], object]
    ) -> Counter[str]:
        """Give each member its scene at the same moment; all they saw, added up.

        `look` is called "before", "after", and again and again "meanwhile"; and twice
        "amid": when each member has made a call, and none has made its last one.
        """
        seed = os.environ.get(SEED_VARIABLE) or secrets.randbelow(2**32)
        sys.stdout.write(f"{SEED_VARIABLE}={seed}\n")  # shown when the test fails
        look("before")
        self._tell(
            json.dumps({**scene, "seed": f"{seed} {number}"})
            for number, scene in enumerate(scenes)
        )
        assert set(self._lines(look)) == {"underway\n"}
        for _ in range(2):
            look("amid")
        self._tell(["go on"] * len(self.members))
        answers = self._lines(look)
        look("after")
        return _added(answers)

    def _tell(self, lines: Iterable[str]) -> None:
        for member, line in zip(self.members, lines, strict=True):
            assert member.stdin is not None
            member.stdin.write(line + "\n")
        for member in self.members:
            assert member.stdin is not None
            member.stdin.flush()

    def _lines(self, look: Callable[[str], object]) -> list[str]:
        """The next line of each member, looking until all are there."""
        lines: list[str] = []
        waiting = [
            threading.Thread(target=lambda m=member: lines.append(self._line(m)))
            for member in self.members
        ]
        for thread in waiting:
            thread.start()
        while any(thread.is_alive() for thread in waiting):
            look("meanwhile")
        return lines

    def _line(self, member: subprocess.Popen[str]) -> str:
        assert member.stdout is not None
        return member.stdout.readline()

    def end(self) -> None:
        for member in self.members:
            member.communicate(timeout=SECONDS_MAX)
        assert [member.returncode for member in self.members] == [0] * len(self.members)


def _added(answers: list[str]) -> Counter[str]:
    """Sums of figures, lengths of lists; what went wrong is shown at once."""
    total: Counter[str] = Counter()
    for answer in answers:
        assert answer, "a process of the crew has died"
        for name, value in json.loads(answer).items():
            if name in {"errors", "false_refusals"}:
                assert value == [], f"{name}: {value}"
            total[name] += len(value) if isinstance(value, list) else value
    return total
