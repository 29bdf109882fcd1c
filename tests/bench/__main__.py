"""`python -m tests.bench`: sets everything up, measures, reports, cleans up.

Exit 1 when a reply or a charge was wrong; 0 otherwise, whatever the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from tests.bench import figures, machine, postgres, report, rounds, servers, verdict
from tests.bench.tollgate import LedgerCheck, check_ledger, tollgate

DATABASES = ("sqlite", "postgres")
TARGETS = ("direct", "forwarder", *DATABASES)


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("--only", default=",".join(TARGETS), help="names, by comma")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6, help="of each figure")
    parser.add_argument("--warmup", type=float, default=1.5, help="seconds before")
    parser.add_argument("--soak", action="store_true", help="watch memory grow, too")
    parser.add_argument(
        "--budgets", action="store_true", help="two windows on each of four levels"
    )
    parser.add_argument("--calls", type=int, default=50_000, help="of the soak")
    parser.add_argument("--dir", type=Path, help="where the databases are kept")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args(given)
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(TARGETS):
        parser.error(f"--only knows {', '.join(TARGETS)}, not {', '.join(unknown)}")
    return options


class Bench:
    """One run: what was asked for, what was found."""

    def __init__(self, options: argparse.Namespace, meter: rounds.Meter) -> None:
        self.options = options
        self.meter = meter
        self.skipped: dict[str, str] = {}
        self.ledgers: list[LedgerCheck] = []

    def start(
        self, name: str, site: servers.Site, stack: ExitStack, suffix: str = ""
    ) -> servers.Server | None:
        if name == "direct":
            return site.upstream
        if name == "forwarder":
            return stack.enter_context(servers.forwarder(site))
        try:
            has_budgets = self.options.budgets
            return stack.enter_context(
                tollgate(name + suffix, name, site, has_budgets=has_budgets)
            )
        except postgres.Missing as missing:
            self.skipped[name] = str(missing)
            return None

    def compare(self, site: servers.Site) -> verdict.Outcome:
        with ExitStack() as stack:
            started = [self.start(name, site, stack) for name in self.options.only]
            targets = [server for server in started if server]
            samples = self.meter.measure(targets)
            memories = {
                server.name: servers.memory(server)
                for server in targets
                if server.name != "direct"
            }
            for server in targets:
                mine = [each for each in samples if each.server == server.name]
                replies = sum(each.figures.replies for each in mine)
                self.check_ledger(server, site, replies)
        return verdict.Outcome(
            table=figures.Table(samples),
            memories=memories,
            soaks=self.soak(site) if self.options.soak else [],
            ledgers=self.ledgers,
            skipped=self.skipped,
            cores=self.meter.cores,
        )

    def soak(self, site: servers.Site) -> list[rounds.Soak]:
        soaks = []
        for name in self.options.only:
            if name == "direct" or name in self.skipped:
                continue
            with ExitStack() as stack:
                server = self.start(name, site, stack, suffix="-soak")
                if server:
                    soak = self.meter.soak(server, self.options.calls)
                    soaks.append(soak)
                    self.check_ledger(server, site, soak.calls[1])
        return soaks

    def check_ledger(
        self, server: servers.Server, site: servers.Site, replies: int
    ) -> None:
        if server.api_key:
            self.ledgers.append(check_ledger(server, site, replies))


def describe(cores: machine.Cores, folder: Path) -> dict[str, object]:
    return {
        "server_cores": sorted(cores.server),
        "other_cores": sorted(cores.others),
        "load_average": os.getloadavg(),
        "fsync_ms": machine.fsync_seconds(folder) * 1000,
    }


def run(options: argparse.Namespace, folder: Path) -> int:
    cores = machine.allot_cores()
    facts = describe(cores, folder)
    tell(
        f"gateway on core {facts['server_cores']}, load, upstream and PostgreSQL on "
        f"{facts['other_cores']}; fsync {facts['fsync_ms']:.2f} ms"
    )
    if cores.is_shared:
        tell("ONE CORE for all: the load takes CPU from the gateway it measures.")
    os.sched_setaffinity(0, cores.others)
    timing = rounds.Timing(options.rounds, options.seconds, options.warmup)
    bench = Bench(options, rounds.Meter(timing, cores, tell))
    with servers.stub(folder) as upstream:
        outcome = bench.compare(servers.Site(folder, cores, upstream))
    databases = [name for name in options.only if name in DATABASES]
    tell("\n" + report.text(outcome, databases))
    if options.json:
        found = {
            "machine": facts,
            "outcome": asdict(outcome),
            "verdicts": [asdict(each) for each in verdict.judge(outcome, databases)],
        }
        options.json.write_text(json.dumps(found, indent=1, default=sorted))
    if outcome.errors():
        show_logs(folder)
        return 1
    return 0


def show_logs(folder: Path) -> None:
    """The end of every server's log, before the folder goes."""
    for log in sorted(folder.glob("*.log")):
        if tail := servers.log_tail(log):
            tell(f"--- {log.name}\n{tail}")


def main() -> int:
    options = arguments()
    # A `kill` of the bench must also end the servers that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.dir) as folder:
        try:
            return run(options, Path(folder))
        except servers.Broken as broken:
            tell(f"BROKEN {broken}")
            show_logs(Path(folder))
            return 1


if __name__ == "__main__":
    sys.exit(main())
