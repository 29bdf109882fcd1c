"""What a storm disturbs: a database, two gateways and a worker of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol

import psycopg

from tests.support.gateway.outage import LockedFile
from tests.support.services import database, processes
from tests.support.services.commands import manage
from tests.support.services.environment import UPSTREAM_API_KEY
from tests.support.services.gateway import Gateway
from tests.support.services.postgres import Cluster
from tests.support.services.redis_server import RedisServer
from tests.support.services.warm import WarmProcess
from tests.support.sources import ROOT
from tests.support.waiting import PATIENCE_SECONDS, wait_for

BOOKS = [sys.executable, "-m", "tests.support.gateway.storm.books"]
LOCKS = (
    "LOCK TABLE billing_account IN SHARE MODE",
    "SELECT id FROM billing_account WHERE kind = 'organization' LIMIT 1 FOR UPDATE",
)
HURRY_SECONDS = 1
# Short, so that each of them is reached; what is listed then is listed for it.
LIMITS = {
    "WEB_CONCURRENCY": "2",
    "LEASE_SECONDS": "3",
    "SWEEP_SECONDS": "1",
    "JOB_POLL_SECONDS": "1",
    "UPSTREAM_IDLE_SECONDS": "4",
    "UPSTREAM_TOTAL_SECONDS": "12",
    "DRAIN_SECONDS": "4",
    "IN_DOUBT_SECONDS": "86400",  # doubts stay what they are, to be compared
    "LOG_LEVEL": "WARNING",
}


class Database(Protocol):
    """The storm's own: nobody else's tests notice what happens to it."""

    url: str

    def restart(self) -> None:
        """At once, as after a power cut."""

    def lock(self, seconds: float) -> None:
        """Nobody writes for so long."""


class ClusterDatabase:
    """A PostgreSQL that may crash."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.url = cluster.url("storm")
        self._locks = cycle(LOCKS)
        with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE storm")

    def restart(self) -> None:
        self.cluster.crash()
        self.cluster.launch()

    def lock(self, seconds: float) -> None:
        """All organizations and one of them by turns."""
        with psycopg.connect(self.url) as connection:
            connection.execute(next(self._locks))
            time.sleep(seconds)
            connection.rollback()


class FileDatabase:
    """SQLite, whose one write lock anybody can keep."""

    def __init__(self, folder: Path) -> None:
        path = folder / "storm.sqlite3"
        # What it is migrated to already: nothing of that is the storm's matter.
        database.copy_template(path)
        self._file = LockedFile(f"sqlite:///{path}")
        # How long a writer waits: less than some locks here last.
        self.url = self._file.url.replace("timeout=1", "timeout=3")

    def restart(self) -> None:
        """There is no server."""
        self.lock(1)

    def lock(self, seconds: float) -> None:
        self._file.begin()
        time.sleep(seconds)
        self._file.end()


class Worker:
    """`manage.py worker`; a supervisor of the installation would start it again."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.log = folder / "worker.log"
        self.environment = {**os.environ, **environment}
        self.deaths = 0  # by itself
        self.start()

    def start(self) -> None:
        self.process = WarmProcess(
            ["worker"], environment=self.environment, stdout=self.log
        )

    def tend(self) -> None:
        """Start it again if it has ended."""
        if self.process.poll() is not None:
            self.deaths += 1
            self.start()

    def kill(self) -> None:
        processes.signal_group(self.process, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        processes.end_group(self.process)


class Books:
    """The ledger, seen by a process that outlives what happens to the others."""

    def __init__(self, database_url: str) -> None:
        self.process = subprocess.Popen(
            processes.dying_with_parent(BOOKS),
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": database_url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, question: str, **told: Any) -> Any:
        """Raises: AssertionError when the database does not answer for long."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            stdin.write(json.dumps({"ask": question, **told}) + "\n")
            stdin.flush()
            line = stdout.readline()
            assert line, "the process that reads the ledger has died"
            answer = json.loads(line)
            if "answer" in answer:
                return answer["answer"]
            assert time.monotonic() < deadline, answer["error"]

    def stop(self) -> None:
        self.process.communicate(timeout=PATIENCE_SECONDS)


class Installation:
    """Two machines: a gateway with the worker, and a gateway."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        upstream_url: str,
        redis: RedisServer | None,
    ) -> None:
        self.database = database
        self.redis = redis
        environment = {
            **LIMITS,
            "DATABASE_URL": database.url,
            "REDIS_URL": redis.url if redis else "",
            "UPSTREAM_BASE_URL": upstream_url,
            "UPSTREAM_API_KEY": UPSTREAM_API_KEY,
        }
        self.books = Books(database.url)
        self.gateways = [
            Gateway(folder=folder, environment=environment) for _ in range(2)
        ]
        self.var_dirs = [gateway.var_dir for gateway in self.gateways]
        self.worker = Worker(folder, {**environment, "VAR_DIR": str(self.var_dirs[0])})

    def spooled(self) -> int:
        """Lines that wait to be replayed, or were refused for ever."""
        files = [path for each in self.var_dirs for path in each.glob("spool/*")]
        return sum(path.read_bytes().count(b"\n") for path in files if path.exists())

    def converge(self) -> None:
        """Wait until every call and job is over and nothing is left in a spool: the
        storm is, and gateways and worker do what they always do.

        Raises: AssertionError when they do not.
        """

        def is_over() -> bool:
            self.worker.tend()
            # Not at each look: it takes SQLite's one write lock.
            self.books.ask("hurry")
            time.sleep(HURRY_SECONDS)
            return not self.unfinished()

        wait_for(is_over, explain=lambda: f"{self.unfinished()}\n{self.logs()}")

    def unfinished(self) -> dict[str, Any]:
        """What is not over yet; empty when all is."""
        found = {**self.books.ask("unfinished"), "spooled": self.spooled()}
        return {name: value for name, value in found.items() if value}

    def logs(self) -> str:
        texts = [gateway.log_text()[-3000:] for gateway in self.gateways]
        texts.append(self.worker.log.read_text(errors="replace")[-3000:])
        return "\n-----\n".join(texts)


@contextmanager
def installed(
    folder: Path, database: Database, upstream_url: str, redis: RedisServer | None
) -> Iterator[Installation]:
    """All of it, running."""
    done = manage("migrate", "-v0", DATABASE_URL=database.url)
    assert done.returncode == 0, done.stderr
    with ExitStack() as stack:
        made = Installation(folder, database, upstream_url, redis)
        stack.callback(made.books.stop)
        stack.callback(made.worker.stop)
        for gateway in made.gateways:
            stack.callback(gateway.stop)
            gateway.start()
        yield made
