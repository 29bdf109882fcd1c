"""`python -m tests.siege`: each attack in turn while an honest tenant makes 20 calls a
second; prints a table. Exit 1 when a figure is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.bench import servers, tollgate
from tests.siege.attacks import ATTACKS, Aim, Attack
from tests.siege.honest import Called

ADDED_MS_MAX = 250
MEMORY_MIB_MAX = 600
NORMAL_SECONDS_MAX = 10
# After an attack, to see whether all is as before.
AFTER_SECONDS = 12
LOOK_SECONDS = 0.25


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Row:
    """What one attack did to the honest tenant."""

    name: str
    calls: int
    failures: int
    added_ms: float
    memory_mib: float
    normal_seconds: float

    @property
    def is_good(self) -> bool:
        return (
            not self.failures
            and self.added_ms <= ADDED_MS_MAX
            and self.memory_mib <= MEMORY_MIB_MAX
            and self.normal_seconds <= NORMAL_SECONDS_MAX
        )

    def line(self) -> str:
        verdict = "" if self.is_good else "  MISSED"
        return (
            f"{self.name:<22}{self.calls:>7}{self.failures:>10}"
            f"{self.added_ms:>14.0f}{self.memory_mib:>13.0f}"
            f"{self.normal_seconds:>13.1f}{verdict}"
        )


HEAD = (
    f"{'attack':<22}{'calls':>7}{'failures':>10}{'p99 added ms':>14}"
    f"{'memory MiB':>13}{'normal in s':>13}"
)


class Memory:
    """The most memory that a process and its children had together, by their
    proportional share (PSS): pages that they share count once."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.most_mib = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            found = sum(map(pss_mib, family(self._pid)))
            self.most_mib = max(self.most_mib, found)


def family(pid: int) -> list[int]:
    found = [pid]
    for each in found:  # grows
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, children.read_text().split())
    return found


def pss_mib(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def p99(seconds: list[float]) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


@contextmanager
def honest(url: str, key: str, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.siege.honest", url, key, str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def measured(process: subprocess.Popen[bytes]) -> list[Called]:
    output, _ = process.communicate(timeout=300)
    return [(began, took, status) for began, took, status in json.loads(output)]


async def run_for(attack: Attack, aim: Aim, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await attack(aim)


def besiege(
    name: str, aim: Aim, key: str, pid: int, seconds: float, normal_p99: float
) -> Row:
    with Memory(pid) as memory, honest(aim.url, key, seconds + AFTER_SECONDS) as caller:
        time.sleep(1)  # it has begun
        asyncio.run(run_for(ATTACKS[name], aim, seconds))
        ended = time.monotonic()
        calls = measured(caller)
    during = [took for began, took, _ in calls if began < ended]
    slow = [
        began + took
        for began, took, status in calls
        if status != 200 or took > normal_p99 + ADDED_MS_MAX / 1000
    ]
    return Row(
        name,
        len(calls),
        sum(status != 200 for _, _, status in calls),
        (p99(during) - normal_p99) * 1000,
        memory.most_mib,
        max(0.0, max(slow, default=ended) - ended),
    )


@contextmanager
def installation(folder: Path) -> Iterator[tuple[Aim, str, int]]:
    """The product with two tenants: whom to attack, the honest one's key, its pid."""
    stub_port, port = servers.free_port(), servers.free_port()
    upstream = f"http://127.0.0.1:{stub_port}/v1"
    environment = tollgate.settings(
        folder, f"sqlite:///{folder / 'db'}", port, upstream
    )
    manage("migrate", "--no-input", environment=environment)
    keys = [tenant(name, environment) for name in ("Honest", "Hostile")]
    stub = subprocess.Popen([sys.executable, "-m", "tests.siege.stub", str(stub_port)])
    log = (folder / "log").open("w")
    command = [sys.executable, "manage.py", "serve"]
    serving = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        aim = Aim(port, keys[1])
        until = time.monotonic() + 60
        while not answers(aim.url) and time.monotonic() < until:
            time.sleep(0.2)
        yield aim, keys[0], serving.pid
    finally:
        serving.kill()
        stub.kill()
        serving.wait()
        stub.wait()


def answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/account/sign-in", timeout=30).is_success
    return False


def manage(*words: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()


def tenant(name: str, environment: dict[str, str]) -> str:
    said = manage(
        *(
            "bootstrap",
            "--organization",
            name,
            "--email",
            f"{name}@example.com".lower(),
        ),
        *("--credits", "1000000", "--json"),
        environment=environment,
    )
    return str(json.loads(said)["api_key"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.siege", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of each attack")
    parser.add_argument("--only", default="", help="a part of the attacks' names")
    options = parser.parse_args()
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="tollgate-siege-") as folder,
        installation(Path(folder)) as (aim, key, pid),
    ):
        with honest(aim.url, key, 10) as caller:
            quiet = measured(caller)
        normal = p99([took for _, took, _ in quiet])
        tell(f"in quiet: p99 {normal * 1000:.0f} ms, {len(quiet)} calls")
        tell(HEAD)
        for name in ATTACKS:
            if options.only in name:
                row = besiege(name, aim, key, pid, options.seconds, normal)
                tell(row.line())
                rows.append(row)
    tell(f"aims: {ADDED_MS_MAX} ms, {MEMORY_MIB_MAX} MiB, {NORMAL_SECONDS_MAX} s")
    return 0 if all(row.is_good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
