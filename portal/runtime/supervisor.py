"""Runs processes beside each other: starts again what dies, and ends them in order."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from portal.runtime.endings import named_as_parent

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
# A part that dies sooner has not really run.
EARLY_SECONDS = 10
# After so many early deaths in a row it is given up; between them the pause doubles.
EARLY_DEATHS_MAX = 5
PAUSE_SECONDS = 1


@dataclass(frozen=True)
class Part:
    """One process to run."""

    name: str
    command: Sequence[str]
    folder: Path
    # Seconds in which it ends when told to; then it is killed.
    stop_seconds: float
    # Ended only when the parts without this mark have ended: they need it until then.
    is_last: bool = False


class Running:
    """A part and its process, over all its lives."""

    def __init__(self, part: Part, environment: Mapping[str, str]) -> None:
        self.part = part
        self._environment = {**environment, **named_as_parent()}
        self._early_deaths = 0
        self._start_at = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its lines go to our own output, with its name in front."""
        self._started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603  our own command, no shell
            self.part.command,
            cwd=self.part.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for us: parts end in order.
            process_group=0,
        )
        lines = self.process.stdout
        threading.Thread(target=_pass_on, args=(self.part, lines), daemon=True).start()

    def keep_running(self) -> int | None:
        """Start it again if it died; its exit code once it is given up."""
        if self.process is None:
            if time.monotonic() >= self._start_at:
                self.start()
            return None
        code = self.process.poll()
        if code is None:
            return None
        is_early = time.monotonic() - self._started_at < EARLY_SECONDS
        self._early_deaths = self._early_deaths + 1 if is_early else 0
        logger.error("%s ended with %d", self.part.name, code)
        self.process = None
        if self._early_deaths >= EARLY_DEATHS_MAX:
            return code
        pause = PAUSE_SECONDS * 2 ** max(self._early_deaths - 1, 0)
        self._start_at = time.monotonic() + pause
        return None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def terminate(self) -> None:
        if self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        """Kill it with all its children."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    """Runs the parts until SIGINT or SIGTERM, or until one of them is given up.

    Ctrl-C while they end kills them. Not a second SIGTERM: supervisors repeat it.
    """

    def __init__(self, parts: Sequence[Part], environment: Mapping[str, str]) -> None:
        self._parts = [Running(part, environment) for part in parts]
        self._is_ending = self._is_hurried = False

    def run(self) -> int:
        """0 when all ended as they were told; else the code of a part that was given
        up, or 1."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._hear)
        for each in self._parts:
            each.start()
        given_up = self._watch()
        ends = [self._end(is_last=is_last) for is_last in (False, True)]
        if given_up is not None:
            return given_up if given_up > 0 else 1
        return 0 if all(ends) else 1

    def _watch(self) -> int | None:
        while not self._is_ending:
            for each in self._parts:
                code = each.keep_running()
                if code is not None:
                    logger.critical("%s is given up", each.part.name)
                    return code
            time.sleep(LOOK_SECONDS)
        return None

    def _end(self, *, is_last: bool) -> bool:
        """Whether these parts ended by themselves and well."""
        ending = [
            each
            for each in self._parts
            if each.part.is_last == is_last and each.process is not None
        ]
        for each in ending:
            each.terminate()
        told_at = time.monotonic()
        while running := [each for each in ending if each.is_running]:
            seconds = time.monotonic() - told_at
            for each in running:
                if self._is_hurried or seconds > each.part.stop_seconds:
                    logger.critical("%s is killed", each.part.name)
                    each.kill()
            time.sleep(LOOK_SECONDS)
        return all(each.process and each.process.returncode == 0 for each in ending)

    def _hear(self, number: int, _: object) -> None:
        self._is_hurried |= self._is_ending and number == signal.SIGINT
        self._is_ending = True


def _pass_on(part: Part, lines: IO[bytes] | None) -> None:
    """Copy the part's lines to our output; read on where nobody takes them, so that
    the part does not wait."""
    name = f"{part.name:<8}| ".encode()
    for line in lines or ():
        with suppress(OSError, ValueError):
            sys.stdout.buffer.write(name + line)
            sys.stdout.buffer.flush()
