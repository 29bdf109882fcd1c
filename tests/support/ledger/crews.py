"""A crew of processes that storm the ledger together, and what they report."""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.support.services.warm import WarmProcess

STORM = "tests.support.ledger.storm"
SECONDS_MAX = 300
# Between two looks: who looks without end takes the time of those it looks at.
LOOK_SECONDS = 0.03
# What is drawn can be drawn again; who comes first, nobody decides.
SEED_VARIABLE = "STORM_SEED"


class Member:
    """A process of a crew, told and heard by lines. What it complains about stands in
    the file of its errors."""

    def __init__(self, errors: Path) -> None:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        self.process = WarmProcess(
            [],
            module=STORM,
            environment=os.environ,
            stdin=theirs_in,
            stdout=theirs_out,
            stderr=errors,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._says = open(ours_in, encoding="utf-8")  # noqa: SIM115
        self._hears = open(ours_out, "w", encoding="utf-8")  # noqa: SIM115

    def tell(self, line: str) -> None:
        self._hears.write(line + "\n")

    def send(self) -> None:
        """What it was told reaches it now."""
        self._hears.flush()

    def line(self) -> str:
        """Its next one; "" when it has ended."""
        return self._says.readline()

    def end(self) -> int:
        """Its exit code."""
        self._hears.close()
        code = self.process.wait(SECONDS_MAX)
        self._says.close()
        return code


class Crew:
    """Processes that wait for a line each; started once, used for many rounds."""

    def __init__(self, size: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._errors = Path(self._folder.name, "errors")
        self.members = [Member(self._errors) for _ in range(size)]
        for member in self.members:
            assert member.line() == "ready\n", self._errors.read_text()

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
            member.tell(line)
        for member in self.members:
            member.send()

    def _lines(self, look: Callable[[str], object]) -> list[str]:
        """The next line of each member, looking until all are there."""
        lines: list[str] = []
        waiting = [
            threading.Thread(target=lambda m=member: lines.append(m.line()))
            for member in self.members
        ]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            while thread.is_alive():
                look("meanwhile")
                thread.join(LOOK_SECONDS)
        return lines

    def end(self) -> None:
        codes = [member.end() for member in self.members]
        assert codes == [0] * len(self.members), self._errors.read_text()
        self._folder.cleanup()


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
