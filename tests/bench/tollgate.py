"""Tollgate under test: set up by its own commands, its ledger checked afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import postgres, servers, wire

COMMAND_SECONDS = 600
# More than any run can spend: a refusal would end the measurement.
CREDITS = 100_000_000
MICROS = 1_000_000
# SQL of our own, so that a fault in Tollgate's reports cannot hide itself here.
CHARGED = """
import json, sys
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*), sum(charged_micros) FROM billing_usagerecord")
    found = [int(value or 0) for value in cursor.fetchone()]
    sys.stdout.write(json.dumps(found))
"""


def manage(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  our own command, no shell
        [sys.executable, "manage.py", *arguments],
        cwd=servers.CHECKOUT,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
    )


def manage_or_break(*arguments: str, env: dict[str, str]) -> str:
    """The command's output. Raises: servers.Broken when it fails."""
    done = manage(*arguments, env=env)
    if done.returncode:
        command = " ".join(["manage.py", *arguments])
        raise servers.Broken(f"`{command}` failed:\n{done.stderr[-2000:]}")
    return done.stdout


@contextmanager
def tollgate(
    name: str, database: str, site: servers.Site, *, has_budgets: bool = False
) -> Iterator[servers.Server]:
    """A fresh instance on a fresh database; with limits that apply to every call, two
    windows on each of four levels, if it is to have some.

    Raises: postgres.Missing; servers.Broken.
    """
    folder = site.folder / name
    folder.mkdir()
    port = servers.free_port()
    watch = {}
    with ExitStack() as stack:
        url = f"sqlite:///{folder / 'tollgate.sqlite3'}"
        if database == "postgres":
            cluster = stack.enter_context(postgres.cluster(site.folder.parent))
            url, watch = cluster.url, {"database": cluster.pid}
        env = settings(folder, url, port, site.base_url(name))
        manage_or_break("migrate", "--no-input", env=env)
        server = servers.Server(
            name=name,
            port=port,
            path="/v1/chat/completions",
            api_key=bootstrap(env),
            environment=env,
        )
        if has_budgets:
            set_budgets(env)
        command = [sys.executable, "manage.py", "serve"]
        yield stack.enter_context(servers.gateway(server, command, site, watch))


def settings(folder: Path, url: str, port: int, base_url: str) -> dict[str, str]:
    """What we name is set, so that no `.env` of the checkout decides it."""
    return servers.environment(
        DATABASE_URL=url,
        REDIS_URL="",
        VAR_DIR=str(folder),
        SECRET_KEY="bench-" * 12,
        HOST="127.0.0.1",
        PORT=str(port),
        PUBLIC_URL=f"http://127.0.0.1:{port}",
        ALLOWED_HOSTS="127.0.0.1",
        WEB_CONCURRENCY="1",
        DEBUG="0",
        UPSTREAM_BASE_URL=base_url,
        UPSTREAM_API_KEY="upstream-key",
    )


def bootstrap(env: dict[str, str]) -> str:
    """The first tenant's API key."""
    output = manage_or_break(
        "bootstrap",
        *("--organization", "Bench", "--email", "bench@example.com"),
        *("--credits", str(CREDITS), "--json"),
        env=env,
    )
    return str(json.loads(output)["api_key"])


def set_budgets(env: dict[str, str]) -> None:
    """So wide that none of them refuses a call."""
    levels = {
        "organization": [],
        "project": ["--name", "Default"],
        "member": ["--name", "bench@example.com"],
        "key": ["--name", "default"],
    }
    for level, named in levels.items():
        for window in ("day", "month"):
            manage_or_break(
                "budget",
                *("--organization", "bench", "--level", level, *named),
                *("--window", window, "--credits", str(CREDITS)),
                env=env,
            )


@dataclass(frozen=True)
class LedgerCheck:
    """What the upstream charged beside what the customer was charged."""

    name: str
    verify_exit: int
    findings: list[Any]
    totals: dict[str, Any]
    replies: int
    upstream_calls: int
    usage_records: int
    charged_micros: int

    @property
    def is_right(self) -> bool:
        credits_used = self.upstream_calls * wire.CREDITS_PER_CALL
        return (
            self.verify_exit == 0
            and self.replies == self.upstream_calls == self.usage_records
            and self.charged_micros == credits_used * MICROS
        )


def check_ledger(
    server: servers.Server, site: servers.Site, replies: int
) -> LedgerCheck:
    """To be called after the load, in which the client read so many replies."""
    verified = manage("verify_ledger", "--json", env=server.environment)
    try:
        report = json.loads(verified.stdout)
    except ValueError:
        report = {"findings": [verified.stderr[-2000:]]}
    query = manage_or_break("shell", "-v", "0", "-c", CHARGED, env=server.environment)
    usage_records, charged_micros = json.loads(query)
    return LedgerCheck(
        name=server.name,
        verify_exit=verified.returncode,
        findings=report.get("findings", []),
        totals=report.get("totals", {}),
        replies=replies
        + 1,  # and the one of the call that waited for the server to be ready
        upstream_calls=site.calls(server.name),
        usage_records=usage_records,
        charged_micros=charged_micros,
    )
