"""The targets, and whether this run's figures meet them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench import figures, machine
from tests.bench.rounds import Point, Soak
from tests.bench.tollgate import LedgerCheck

RATE_RATIO_MIN = 0.45
ADDED_LATENCY_MS_MAX = 4
ADDED_TTFB_MS_MAX = 5
RSS_MIB_MAX = 200
RSS_GROWTH_MAX = 0.05


@dataclass(frozen=True)
class Verdict:
    """`is_met` is None where the run did not measure it."""

    target: str
    server: str
    figure: str
    is_met: bool | None


@dataclass(frozen=True)
class Outcome:
    """What a run measured and what went wrong in it."""

    table: figures.Table
    memories: dict[str, machine.Memory]
    soaks: list[Soak]
    ledgers: list[LedgerCheck]
    skipped: dict[str, str]
    cores: machine.Cores

    def errors(self) -> dict[str, int]:
        found = self.table.errors()
        for soak in self.soaks:
            for text, count in soak.errors.items():
                found[f"{soak.server}, soak: {text}"] = count
        for ledger in self.ledgers:
            if not ledger.is_right:
                found[f"{ledger.name}: the ledger is not right"] = 1
        return found


def judge(outcome: Outcome, databases: list[str]) -> list[Verdict]:
    verdicts = []
    for server in databases:
        verdicts += speed(outcome.table, server)
        verdicts += memory(outcome, server)
    return verdicts


def speed(table: figures.Table, server: str) -> list[Verdict]:
    verdicts = []
    for concurrency in (32, 128):
        value = table.ratio(figures.rate, server, Point("json", concurrency))
        target = f"throughput at {concurrency} >= {RATE_RATIO_MIN} of the forwarder"
        is_met = None if value is None else value >= RATE_RATIO_MIN
        verdicts.append(Verdict(target, server, show(value, ""), is_met))
    for measure, kind, most, what in (
        (figures.p50_ms, "json", ADDED_LATENCY_MS_MAX, "latency added at 1, p50"),
        (figures.ttfb_ms, "stream", ADDED_TTFB_MS_MAX, "first streamed byte, p50"),
    ):
        point = Point("json" if kind == "json" else "stream", 1)
        value = table.added(measure, server, point)
        is_met = None if value is None else value <= most
        target = f"{what} <= +{most} ms"
        verdicts.append(Verdict(target, server, show(value, " ms"), is_met))
    return verdicts


def memory(outcome: Outcome, server: str) -> list[Verdict]:
    size = outcome.memories.get(server)
    resident = Verdict(
        f"worker RSS after the load <= {RSS_MIB_MAX} MiB",
        server,
        f"{size.worker / 2**20:.0f} MiB" if size else "-",
        size.worker <= RSS_MIB_MAX * 2**20 if size else None,
    )
    target = f"worker RSS grows <= {RSS_GROWTH_MAX:.0%} over the soak"
    for soak in outcome.soaks:
        if soak.server.startswith(server):
            is_met = soak.growth <= RSS_GROWTH_MAX
            return [resident, Verdict(target, server, f"{soak.growth:+.1%}", is_met)]
    return [resident, Verdict(target, server, "no --soak", None)]


def show(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.2f}{unit}"
