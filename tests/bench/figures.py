"""From samples to figures: medians of rounds, and ratios taken round by round."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.rounds import POINTS, Point, Sample

YARDSTICK = "forwarder"
Measure = Callable[[Sample], float]


def rate(sample: Sample) -> float:
    return sample.rate


def p50_ms(sample: Sample) -> float:
    return sample.figures.p50_ms


def ttfb_ms(sample: Sample) -> float:
    return sample.figures.ttfb_p50_ms


def gateway_cpu_us(sample: Sample) -> float:
    return sample.cpu_us("server")


def database_cpu_us(sample: Sample) -> float:
    return sample.cpu_us("database")


@dataclass(frozen=True)
class Table:
    """All samples of a run, asked for by server and point."""

    samples: list[Sample]

    def servers(self) -> list[str]:
        return list(dict.fromkeys(sample.server for sample in self.samples))

    def at(self, server: str, point: Point) -> list[Sample]:
        """One sample of each round: the least disturbed that has any calls."""
        quietest: dict[int, Sample] = {}
        for sample in self.samples:
            if (sample.server, sample.point) == (
                server,
                point,
            ) and sample.figures.calls:
                known = quietest.setdefault(sample.round, sample)
                if sample.foreign_share < known.foreign_share:
                    quietest[sample.round] = sample
        return list(quietest.values())

    def median(self, measure: Measure, server: str, point: Point) -> float | None:
        values = [measure(sample) for sample in self.at(server, point)]
        return statistics.median(values) if values else None

    def pairs(
        self, measure: Measure, server: str, point: Point
    ) -> list[tuple[float, float]]:
        """(server, yardstick) of the same round: the machine changes between rounds."""
        yardstick = {sample.round: sample for sample in self.at(YARDSTICK, point)}
        return [
            (measure(sample), measure(yardstick[sample.round]))
            for sample in self.at(server, point)
            if sample.round in yardstick
        ]

    def ratio(self, measure: Measure, server: str, point: Point) -> float | None:
        pairs = [pair for pair in self.pairs(measure, server, point) if pair[1]]
        return statistics.median(a / b for a, b in pairs) if pairs else None

    def added(self, measure: Measure, server: str, point: Point) -> float | None:
        pairs = self.pairs(measure, server, point)
        return statistics.median(a - b for a, b in pairs) if pairs else None

    def errors(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for sample in self.samples:
            for text, count in sample.figures.errors.items():
                key = f"{sample.server}, {sample.point.name}: {text}"
                found[key] = found.get(key, 0) + count
        return found

    def others_share(self, server: str, cores: int) -> float:
        """The highest share of their cores that load, upstream and database used."""
        shares = [
            sum(
                used
                for who, used in sample.figures.cpu_seconds.items()
                if who != "server"
            )
            / (sample.figures.seconds * cores)
            for sample in self.samples
            if sample.server == server
        ]
        return max(shares, default=0.0)

    def foreign_shares(self) -> list[float]:
        """The `foreign_share` of each sample that counts."""
        return [
            sample.foreign_share
            for server in self.servers()
            for point in POINTS
            for sample in self.at(server, point)
        ]
