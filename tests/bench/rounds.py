"""Taking the figures: interleaved rounds over all servers, and the long soak."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

from tests.bench import load, machine, servers, wire

# Added to the time of the plan: for the start, the last replies, a slow machine.
PATIENCE_SECONDS = 120
# A sample is taken again when other processes of the machine used more than this
# share of the gateway's core.
FOREIGN_SHARE_MAX = 0.1
TRIES_MAX = 3
SOAK_CONCURRENCY = 32
# One caller in four streams, because either path may leak memory.
SOAK_KINDS: list[wire.Kind] = ["json", "json", "json", "stream"]
SOAK_FIRST_CALLS = 5_000
SOAK_CALLS_PER_SECOND_MIN = 50


@dataclass(frozen=True)
class Point:
    kind: wire.Kind
    concurrency: int

    @property
    def name(self) -> str:
        return f"{self.kind} c={self.concurrency}"


POINTS = (
    Point("json", 1),
    Point("json", 32),
    Point("json", 128),
    Point("stream", 1),
    Point("stream", 32),
)


@dataclass(frozen=True)
class Sample:
    """One server at one point in one round."""

    round: int
    server: str
    point: Point
    figures: load.Figures

    @property
    def rate(self) -> float:
        return self.figures.calls / self.figures.seconds

    @property
    def foreign_share(self) -> float:
        """The share of the gateway's core that other processes used meanwhile."""
        figures = self.figures
        if "server" not in figures.cpu_seconds:
            return 0.0
        foreign = figures.server_cores_busy_seconds - figures.cpu_seconds["server"]
        return max(foreign / figures.seconds, 0.0)

    def cpu_us(self, who: str) -> float:
        """CPU per call of one of the watched families, in microseconds."""
        used = self.figures.cpu_seconds.get(who, 0.0)
        return used / max(self.figures.calls, 1) * 1_000_000


@dataclass(frozen=True)
class Timing:
    rounds: int
    seconds: float
    warmup_seconds: float


@dataclass(frozen=True)
class Soak:
    """A fresh server's memory after the first calls and after all of them."""

    server: str
    calls: tuple[int, int]
    rss_bytes: tuple[int, int]
    errors: dict[str, int]

    @property
    def growth(self) -> float:
        before, after = self.rss_bytes
        return after / before - 1


def run_load(plan: load.Plan) -> load.Figures:
    """The plan in a process of its own, which inherits our cores.

    Raises: servers.Broken when it fails or never ends.
    """
    expected = plan.warmup_seconds + plan.seconds
    expected += plan.calls / SOAK_CALLS_PER_SECOND_MIN
    try:
        done = subprocess.run(  # noqa: S603  our own command, no shell
            [sys.executable, "-m", "tests.bench.load"],
            input=json.dumps(asdict(plan)),
            capture_output=True,
            text=True,
            cwd=servers.CHECKOUT,
            timeout=expected + PATIENCE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise servers.Broken(f"the load on port {plan.port} never ended") from None
    if done.returncode:
        raise servers.Broken(f"the load generator failed:\n{done.stderr[-2000:]}")
    return load.Figures(**json.loads(done.stdout))


@dataclass(frozen=True)
class Meter:
    """Sends the load; `tell` gets a line for each figure taken."""

    timing: Timing
    cores: machine.Cores
    tell: Callable[[str], None]

    def plan(
        self, server: servers.Server, kinds: list[wire.Kind], concurrency: int
    ) -> load.Plan:
        return load.Plan(
            port=server.port,
            path=server.path,
            api_key=server.api_key,
            concurrency=concurrency,
            kinds=kinds,
            watch=server.watch,
            server_cores=sorted(self.cores.server),
        )

    def samples(
        self, number: int, server: servers.Server, point: Point
    ) -> Iterator[Sample]:
        """One sample; more while other processes disturb it (the quietest counts)."""
        for _ in range(1 if self.cores.is_shared else TRIES_MAX):
            sample = self.sample(number, server, point)
            yield sample
            if sample.foreign_share <= FOREIGN_SHARE_MAX:
                return

    def sample(self, number: int, server: servers.Server, point: Point) -> Sample:
        plan = replace(
            self.plan(server, [point.kind], point.concurrency),
            seconds=self.timing.seconds,
            warmup_seconds=self.timing.warmup_seconds,
        )
        sample = Sample(number, server.name, point, run_load(plan))
        self.tell(
            f"round {number + 1}  {point.name:<12}  {server.name:<10}"
            f"{sample.rate:>8.0f}/s  p50 {sample.figures.p50_ms:7.2f} ms  "
            f"other processes on the core {sample.foreign_share:.0%}"
        )
        return sample

    def measure(self, targets: list[servers.Server]) -> list[Sample]:
        """Every point on every server, round by round.

        The servers take turns at each point, in reversed order every other round:
        a machine that becomes busy or slow then disturbs all of them alike.
        """
        samples: list[Sample] = []
        for number in range(self.timing.rounds):
            order = targets if number % 2 == 0 else targets[::-1]
            if number:
                # No figure is compared with the stub's own: one round of it is enough.
                order = [server for server in order if "server" in server.watch]
            for point in POINTS:
                for server in order:
                    samples += self.samples(number, server, point)
        return samples

    def soak(self, server: servers.Server, calls: int) -> Soak:
        """Two runs on one fresh server, its memory read after each."""
        done: list[int] = []
        sizes: list[int] = []
        errors: Counter[str] = Counter()
        first = min(SOAK_FIRST_CALLS, calls // 2)
        for part in (first, calls - first):
            plan = replace(self.plan(server, SOAK_KINDS, SOAK_CONCURRENCY), calls=part)
            figures = run_load(plan)
            errors.update(figures.errors)
            done.append(sum(done[-1:]) + figures.replies)
            sizes.append(servers.memory(server).worker)
            self.tell(
                f"soak  {server.name:<14}{done[-1]:>8} calls  "
                f"{figures.replies / figures.seconds:.0f}/s  "
                f"worker {sizes[-1] >> 20} MiB"
            )
        return Soak(
            server=server.name,
            calls=(done[0], done[1]),
            rss_bytes=(sizes[0], sizes[1]),
            errors=dict(errors),
        )
