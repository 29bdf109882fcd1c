"""A crew of processes that storm the ledger together, and what they report."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tests.services import processes
from tests.sources import ROOT

COMMAND = [sys.executable, "-m", "tests.billing.storm"]
SECONDS_MAX = 45


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
        self, scenes: Sequence[dict[str, Any]], meanwhile: Callable[[], object]
    ) -> Counter[str]:
        """Give each member its scene at the same moment; all they saw, added up.

        `meanwhile` is called again and again until the last one is done.
        """
        answers: list[str] = []
        for member, scene in zip(self.members, scenes, strict=True):
            assert member.stdin is not None
            member.stdin.write(json.dumps(scene) + "\n")
        for member in self.members:
            assert member.stdin is not None
            member.stdin.flush()
        waiting = [
            threading.Thread(target=lambda m=member: answers.append(self._line(m)))
            for member in self.members
        ]
        for thread in waiting:
            thread.start()
        while any(thread.is_alive() for thread in waiting):
            meanwhile()
        return _added(answers)

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
