"""A storm over all operations, compared call by call with the upstream's journal."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import seeds
from tests.support.gateway.storm import plans as drawing
from tests.support.gateway.storm.chaos import Chaos
from tests.support.gateway.storm.clients import Clients
from tests.support.gateway.storm.comparison import (
    Storm,
    charges,
    differences,
    exact,
)
from tests.support.gateway.storm.installation import (
    ClusterDatabase,
    Database,
    FileDatabase,
    Installation,
    installed,
)
from tests.support.gateway.storm.plans import FACTORS_PPM
from tests.support.gateway.storm.scripts import Script
from tests.support.services import requirements
from tests.support.services.environment import wanted_database
from tests.support.services.redis_server import RedisServer
from tests.support.upstream import Upstream

# On each database: `make test` makes 2,000 in all, and `make endure` ten times as many.
CALLS = int(os.environ.get("STORM_CALLS") or 1_000)


@pytest.fixture
def database(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str
) -> Database:
    """Of the storm's own: PostgreSQL's is restarted meanwhile."""
    if wanted_database() == "sqlite":
        return FileDatabase(tmp_path)
    return ClusterDatabase(request.getfixturevalue("spare_cluster"))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RedisServer | None]:
    """Redis beside PostgreSQL, as in production; else the files beside SQLite."""
    program = requirements.find_program("redis-server")
    with ExitStack() as stack:
        server = None
        if program and wanted_database() == "postgres":
            server = RedisServer(program, tmp_path).start()
            stack.callback(server.stop)
        yield server


def compared(
    made: Installation,
    folder: Path,
    clients: Clients,
    upstream: Upstream,
    ids: list[int],
) -> Storm:
    """All that is known of the storm, once it is over."""
    path = folder / "books.json"
    made.books.ask("write", path=str(path))
    told: dict[str, Any] = json.loads(path.read_text())
    accounts = {account["id"]: account for account in told.pop("accounts")}
    return Storm(
        plans=clients.plans,
        journal=charges(list(upstream.journal)),
        answers=clients.told.answers,
        seen=clients.told.seen,
        accounts=[accounts[id_] for id_ in ids],
        **told,
    )


def summary(storm: Storm) -> str:
    """In a line, for who runs it by hand."""
    states = Counter(hold["state"] for hold in storm.holds)
    bases = Counter(record["basis"] for record in storm.records)
    reasons = Counter(h["reason"] for h in storm.holds if h["state"] == "in_doubt")
    return (
        f"{len(storm.journal)} calls upstream, {len(storm.answers)} answers, "
        f"holds {dict(states)}, records {dict(bases)}, doubts {dict(reasons)}"
    )


# httpx leaves a connection open that was given up while it was made.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <(socket.socket|function _SelectorTransport)"
    ":pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.timeout(600 + CALLS)
def test_no_difference_that_is_not_listed(
    upstream: Upstream, database: Database, broker: RedisServer | None, tmp_path: Path
) -> None:
    chance = seeds.drawn("CHAOS_SEED")
    plans = drawing.drawn(CALLS, chance)
    script = Script(upstream, plans)
    upstream.on(reply=script)
    with installed(tmp_path, database, upstream.url, broker) as made:
        accounts = made.books.ask("establish", factors_ppm=FACTORS_PPM)
        secrets = [account["secret"] for account in accounts]
        base_urls = [gateway.base_url for gateway in made.gateways]
        clients = Clients(plans, secrets, base_urls, script.client_left)
        chaos = Chaos(made, chance)
        clients.start()
        try:
            chaos.during(clients.progress, CALLS)
        finally:
            clients.progress.allow(CALLS)
            clients.join()
            chaos.tell("the last client has its answer")
        made.converge()
        chaos.tell("all is settled")
        ids = [account["id"] for account in accounts]
        storm = compared(made, tmp_path, clients, upstream, ids)
    chaos.tell("all is stopped")

    sys.stdout.write(f"{summary(storm)}\n")
    found = differences(storm)
    assert not found, "\n".join(found)
    # Not for nothing: much was charged, and some of it in doubt.
    assert exact(storm) > CALLS / 4
    states = {hold["state"] for hold in storm.holds}
    assert states == {"settled", "released", "in_doubt"}
    # And the comparison is not blind: it finds what is put into this very storm.
    charged = next(record for record in storm.records if record["basis"] == "upstream")
    again = {**charged, "hold_id": "planted"}
    planted = differences(replace(storm, records=[*storm.records, again]))
    assert any("is charged twice" in difference for difference in planted), planted
