"""What the kernel knows: cores, and the time and memory of processes (Linux)."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
FSYNC_PROBES = 40


@dataclass(frozen=True)
class Cores:
    """The gateway's cores and all others'; the same one where there is only one."""

    server: frozenset[int]
    others: frozenset[int]

    @property
    def is_shared(self) -> bool:
        return bool(self.server & self.others)


def allot_cores() -> Cores:
    allowed = sorted(os.sched_getaffinity(0))
    server = frozenset(allowed[:1])
    return Cores(server=server, others=frozenset(allowed[1:]) or server)


@contextmanager
def pinned(cores: frozenset[int] | None) -> Iterator[None]:
    """Children started inside inherit these cores, and so do their children."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    cpu_seconds: float
    rss_bytes: int


def processes() -> Iterator[Process]:
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            stat = Path(entry.path, "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # The name, in parentheses, may itself hold spaces and parentheses.
        fields = stat.rpartition(")")[2].split()
        # utime, stime, and both of the children that have been waited for
        ticks = sum(int(field) for field in fields[11:15])
        yield Process(
            pid=int(entry.name),
            parent=int(fields[1]),
            cpu_seconds=ticks / TICKS_PER_SECOND,
            rss_bytes=int(fields[21]) * PAGE_BYTES,
        )


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended but was not waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def family(pid: int, everyone: list[Process] | None = None) -> list[Process]:
    """The process and all its descendants, itself first."""
    everyone = list(processes()) if everyone is None else everyone
    found = [process for process in everyone if process.pid == pid]
    for member in found:
        found.extend(process for process in everyone if process.parent == member.pid)
    return found


def cpu_seconds(pids: dict[str, int]) -> dict[str, float]:
    """The time used so far by each named family."""
    everyone = list(processes())
    return {
        name: sum(process.cpu_seconds for process in family(pid, everyone))
        for name, pid in pids.items()
    }


@dataclass(frozen=True)
class Memory:
    """Resident bytes of a server: the process that was started, and its worker."""

    main: int
    worker: int
    total: int


def memory(pid: int) -> Memory:
    members = family(pid)
    sizes = [process.rss_bytes for process in members]
    return Memory(main=sizes[0], worker=max(sizes[1:] or sizes), total=sum(sizes))


def busy_seconds(cores: frozenset[int]) -> float:
    """The time these cores were not idle, whoever used them, other machines too."""
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name[:3] == "cpu" and name[3:].isdigit() and int(name[3:]) in cores:
            user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
            used = (user, nice, system, irq, softirq, steal)
            ticks += sum(int(field) for field in used)
    return ticks / TICKS_PER_SECOND


def fsync_seconds(folder: Path) -> float:
    """The time the disk takes to keep 4 KiB: no commit can be faster."""
    path = folder / "fsync-probe"
    taken = []
    with path.open("wb", buffering=0) as file:
        for _ in range(FSYNC_PROBES):
            file.write(b"0" * 4096)
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    path.unlink()
    return statistics.median(taken)
