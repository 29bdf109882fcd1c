"""The run as text: the figures, the notes that qualify them, the verdict."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tests.bench import figures, rounds, verdict
from tests.bench.figures import Table
from tests.bench.tollgate import MICROS

HEADER = (
    *("point", "server", "req/s", "ratio", "p50 ms", "added", "p99 ms", "ttfb ms"),
    *("added", "CPU us", "ratio", "db us", "load us", "stub us"),
)
MARKS = {True: "met", False: "MISSED", None: "not measured"}
# Above it the load, the upstream or the database may be slower than the gateway.
BUSY_MAX = 0.8


def text(outcome: verdict.Outcome, databases: list[str]) -> str:
    parts = [
        "\n".join(columns([HEADER, *rows(outcome.table)])),
        "\n".join(notes(outcome)),
    ]
    if databases:
        lines = [
            (MARKS[each.is_met], each.server, each.target, each.figure)
            for each in verdict.judge(outcome, databases)
        ]
        header = ("verdict", "server", "target", "figure")
        parts.append("\n".join(columns([header, *lines], left=3)))
    return "\n\n".join(part for part in parts if part) + "\n"


def rows(table: Table) -> Iterator[tuple[str, ...]]:
    for point in rounds.POINTS:
        for server in table.servers():
            if table.at(server, point):
                yield row(table, server, point)


def row(table: Table, server: str, point: rounds.Point) -> tuple[str, ...]:
    def median(measure: figures.Measure, digits: int = 0) -> str:
        return number(table.median(measure, server, point), digits)

    def ratio(measure: figures.Measure) -> str:
        return number(table.ratio(measure, server, point), 2)

    def added(measure: figures.Measure) -> str:
        value = table.added(measure, server, point)
        return "-" if value is None else f"{value:+.2f}"

    is_stream, is_gateway = point.kind == "stream", server != "direct"
    has_database = bool(table.median(figures.database_cpu_us, server, point))
    return (
        point.name,
        server,
        median(figures.rate),
        ratio(figures.rate),
        median(figures.p50_ms, 2),
        added(figures.p50_ms),
        median(lambda sample: sample.figures.p99_ms, 2),
        median(figures.ttfb_ms, 2) if is_stream else "-",
        added(figures.ttfb_ms) if is_stream else "-",
        median(figures.gateway_cpu_us) if is_gateway else "-",
        ratio(figures.gateway_cpu_us) if is_gateway else "-",
        median(figures.database_cpu_us) if has_database else "-",
        median(lambda sample: sample.cpu_us("load")),
        median(lambda sample: sample.cpu_us("stub")),
    )


def number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def columns(lines: list[tuple[str, ...]], left: int = 2) -> Iterator[str]:
    """Aligned columns: the first `left` ones to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def notes(outcome: verdict.Outcome) -> Iterator[str]:
    table = outcome.table
    for point in rounds.POINTS:
        headroom = table.ratio(figures.rate, "direct", point)
        if headroom is not None and point.concurrency > 1:
            yield f"load and stub alone, {point.name}: {headroom:.1f}x the forwarder"
    for server in table.servers():
        busy = table.others_share(server, len(outcome.cores.others))
        if server != "direct":
            mark = "  BOTTLENECK" if busy > BUSY_MAX else ""
            yield f"other core at most, measuring {server}: {busy:.0%} busy{mark}"
    if not outcome.cores.is_shared:
        shares = table.foreign_shares()
        mark = "  NOISY" if max(shares) > rounds.FOREIGN_SHARE_MAX else ""
        yield (
            f"other processes on the gateway's core: {statistics.median(shares):.0%}, "
            f"at most {max(shares):.0%}{mark}"
        )
    for name, size in outcome.memories.items():
        yield (
            f"memory after the load, {name}: worker {size.worker / 2**20:.0f} MiB, "
            f"main {size.main / 2**20:.0f} MiB, all {size.total / 2**20:.0f} MiB"
        )
    for soak in outcome.soaks:
        before, after = (size / 2**20 for size in soak.rss_bytes)
        yield (
            f"soak {soak.server}: worker {before:.1f} MiB after {soak.calls[0]} calls, "
            f"{after:.1f} MiB after {soak.calls[1]}"
        )
    for ledger in outcome.ledgers:
        yield (
            f"ledger {ledger.name}: verify_ledger exit {ledger.verify_exit}; "
            f"{ledger.replies} replies, {ledger.upstream_calls} calls upstream, "
            f"{ledger.usage_records} usage records, "
            f"{ledger.charged_micros / MICROS:.0f} credits charged"
        )
    for name, reason in outcome.skipped.items():
        yield f"SKIPPED {name}: {reason}"
    for error, count in outcome.errors().items():
        yield f"ERROR {count}x {error}"
