"""A process beside a server's own: started again when it dies, ended after it."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

# It died sooner: the pauses before it is started again get longer.
EARLY_SECONDS = 10
PAUSE_SECONDS_MAX = 8.0


class Companion:
    """One child process that runs `main`, over all its lives."""

    def __init__(self, name: str, main: Callable[[], None]) -> None:
        self._name, self._main = name, main
        # As granian starts its workers.
        method = multiprocessing.get_start_method()
        self._context = multiprocessing.get_context(
            method if method == "fork" else "spawn"
        )
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pause_seconds = 0.0
        self._started_at = self._start_at = 0.0

    def start(self) -> None:
        self._started_at = time.monotonic()
        self._process = self._context.Process(target=self._main, name=self._name)  # type: ignore[attr-defined]
        self._process.start()

    def look(self) -> None:
        """Start it again if it has died, after a pause if it died early."""
        if self._process is None:
            if time.monotonic() >= self._start_at:
                self.start()
            return
        if self._process.is_alive():
            return
        logger.error("%s ended with %s", self._name, self._process.exitcode)
        is_early = time.monotonic() - self._started_at < EARLY_SECONDS
        longer = min(max(2 * self._pause_seconds, 1.0), PAUSE_SECONDS_MAX)
        self._pause_seconds = longer if is_early else 0.0
        self._process = None
        self._start_at = time.monotonic() + self._pause_seconds

    def end(self, seconds: float) -> None:
        """Tell it to end; kill it after so many seconds."""
        if self._process is None:
            return
        self._process.terminate()
        self._process.join(seconds)
        if self._process.is_alive():
            logger.critical("%s is killed", self._name)
            self._process.kill()
            self._process.join()
