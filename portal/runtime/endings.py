"""How processes end: with the one that started them, and in a bounded time."""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
import time

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
# What the thread has, after its time, to say so and to end the process itself.
ALARM_SECONDS = 2


def end_with_parent(parent: int, *, seconds: float) -> None:
    """When `parent` dies without a word, end as on SIGTERM, within so many seconds.

    Nobody is left then who could kill what does not end: this process does it itself.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        logger.error("process %d has died; this one ends", parent)
        end_within(seconds)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def named_as_parent() -> dict[str, str]:
    """The environment in which this process starts those that shall end with it."""
    return {"TOLLGATE_PARENT": str(os.getpid())}


def end_with_supervisor(*, seconds: float) -> None:
    """The same for the process that named itself in the environment, if one did."""
    if parent := os.environ.pop("TOLLGATE_PARENT", ""):
        end_with_parent(int(parent), seconds=seconds)


def end_within(seconds: float) -> None:
    """Kill this process, exit code 1, unless it ends by itself in time.

    Where a library hangs with the interpreter locked no thread runs: the kernel's
    alarm clock ends the process then.
    """
    signal.alarm(math.ceil(seconds) + ALARM_SECONDS)

    def wait() -> None:
        time.sleep(seconds)
        logger.critical("not everything has ended within %d seconds", seconds)
        os._exit(1)

    threading.Thread(target=wait, name="last resort", daemon=True).start()
