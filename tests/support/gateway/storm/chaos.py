"""What happens to an installation while it is called: one thing after the other."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.support.gateway.storm.clients import Progress
from tests.support.gateway.storm.installation import Installation
from tests.support.services import processes
from tests.support.services.gateway import Gateway

CALLS_BETWEEN = 100
# How often each happens, in one round of them.
KINDS = {
    "kill_gateway": 2,
    "kill_process": 4,
    "pause_gateway": 3,
    "stop_gateway": 1,
    "kill_worker": 2,
    "pause_worker": 1,
    "lock_database": 4,
    "restart_database": 2,
    "disturb_broker": 1,
}
# Some outlast a lease, an upstream's silence and the patience of a commit; most don't.
PAUSES = (0.2, 0.5, 1, 1, 2, 4)
TORN = b'{"body": "W1tdLCB7fSwgeyJjYWxs'


class Chaos:
    """It tells on standard output what happens, and when: a failed test shows it."""

    def __init__(self, installation: Installation, chance: random.Random) -> None:
        self.installation = installation
        self.chance = chance
        self.started = time.monotonic()

    def during(self, progress: Progress, calls: int) -> None:
        """Disturb while so many calls are made: after each hundred of them once. The
        calls until the next time go on meanwhile."""
        times = range(CALLS_BETWEEN, calls, CALLS_BETWEEN)
        progress.allow(CALLS_BETWEEN)
        for begun, kind in zip(times, self._kinds(len(times)), strict=True):
            progress.wait(begun)
            progress.allow(begun + CALLS_BETWEEN)
            self.installation.worker.tend()
            self.tell(f"after {begun} calls: {kind}")
            self.happenings[kind](self)
        progress.allow(calls)

    def tell(self, what: str) -> None:
        sys.stdout.write(f"{time.monotonic() - self.started:.2f} s: {what}\n")

    def _kinds(self, count: int) -> list[str]:
        round_ = [kind for kind, times in KINDS.items() for _ in range(times)]
        kinds: list[str] = []
        while len(kinds) < count:
            kinds += self.chance.sample(round_, len(round_))
        return kinds[:count]

    @property
    def _gateway(self) -> Gateway:
        return self.chance.choice(self.installation.gateways)

    def kill_gateway(self) -> None:
        gateway = self._gateway
        gateway.kill()
        gateway.start()

    def kill_process(self) -> None:
        """One of the gateway's: its parent starts another."""
        parent = self._gateway.process
        assert parent is not None
        if children := _children(parent.pid):
            os.kill(self.chance.choice(children), signal.SIGKILL)

    def stop_gateway(self) -> None:
        """In good order, as for an upgrade."""
        self._gateway.restart()

    def pause_gateway(self) -> None:
        gateway = self._gateway
        assert gateway.process is not None
        processes.signal_group(gateway.process, signal.SIGSTOP)
        time.sleep(self.chance.choice(PAUSES))
        processes.signal_group(gateway.process, signal.SIGCONT)

    def kill_worker(self) -> None:
        self.installation.worker.kill()
        self.installation.worker.start()

    def pause_worker(self) -> None:
        process = self.installation.worker.process
        processes.signal_group(process, signal.SIGSTOP)
        time.sleep(self.chance.choice(PAUSES))
        processes.signal_group(process, signal.SIGCONT)

    def lock_database(self) -> None:
        self.installation.database.lock(self.chance.choice(PAUSES))

    def restart_database(self) -> None:
        self.installation.database.restart()

    def disturb_broker(self) -> None:
        """Redis is restarted, and has forgotten everything; the embedded broker has
        an empty message and a torn one."""
        redis = self.installation.redis
        if redis is not None:
            redis.stop()
            redis.start()
            return
        messages = self.installation.var_dirs[0] / "broker" / "messages"
        messages.mkdir(parents=True, exist_ok=True)
        for content in (b"", TORN):
            name = f"{time.monotonic_ns() // 1_000_000}_{uuid.uuid4()}.celery.msg"
            (messages / name).write_bytes(content)

    happenings: dict[str, Callable[[Chaos], None]] = {  # noqa: RUF012
        "kill_gateway": kill_gateway,
        "kill_process": kill_process,
        "pause_gateway": pause_gateway,
        "stop_gateway": stop_gateway,
        "kill_worker": kill_worker,
        "pause_worker": pause_worker,
        "lock_database": lock_database,
        "restart_database": restart_database,
        "disturb_broker": disturb_broker,
    }


def _children(pid: int) -> list[int]:
    """The processes that this one has started, as Linux tells it."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return sorted(int(child) for task in tasks for child in task.read_text().split())
