"""The real worker, `manage.py worker`, as a process a test may kill or freeze."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.services import processes
from tests.support.services.warm import WarmProcess
from tests.support.waiting import PATIENCE_SECONDS, wait_for

SWEEP = "billing.tasks.sweep_holds"


class Worker:
    """One worker on the test database; a context manager, ended with its block."""

    def __init__(self, folder: Path, name: str = "worker", **variables: str) -> None:
        self.log = folder / f"{name}.log"
        self.environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "VAR_DIR": str(folder),
            "SWEEP_SECONDS": "1",
            "LOG_LEVEL": "DEBUG",  # what is done is counted in the log
            **variables,
        }

    def start(self) -> Self:
        self.process = WarmProcess(
            ["worker"], environment=self.environment, stdout=self.log
        )
        return self

    def runs(self, task: str = SWEEP) -> int:
        """How often it has run the task to its end."""
        return len(re.findall(rf"Task {task}\[[^]]*\] succeeded", self.text()))

    def wait_runs(self, more: int = 1, task: str = SWEEP) -> None:
        """Wait for so many further runs."""
        wanted = self.runs(task) + more
        wait_for(lambda: self.runs(task) >= wanted, explain=self.text)

    def send(self, number: signal.Signals) -> None:
        """To the one process, as a killer picks it."""
        self.process.send_signal(number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """An orderly end; its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        processes.signal_group(self.process, signal.SIGCONT)
        processes.end_group(self.process)
