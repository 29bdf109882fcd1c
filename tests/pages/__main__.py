"""`python -m tests.pages`: builds a large organization, measures every page over it on
each database, prints a table. Exit 1 when a page is too slow, or asks more queries of a
large organization than of a small one."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.services import requirements
from tests.support.services.postgres import Cluster

P95_MAX_MS = 150
DATABASES = ("sqlite", "postgres")
# Large enough for the same ways through the reports: a list of a few calls is added up
# call by call.
SMALL = {"calls_count": 100_000, "keys_count": 100, "members_count": 20}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.pages", description=__doc__)
    parser.add_argument("--only", default=",".join(DATABASES), help="names, by comma")
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--keys", type=int, default=1_000)
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--requests", type=int, default=20, help="of each page")
    parser.add_argument("--page", default="", help="only pages whose name has this")
    parser.add_argument(
        "--dir", type=Path, help="where SQLite's file is kept, or found"
    )
    parser.add_argument("--slowest", action="store_true", help="print statements too")
    return parser.parse_args()


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    options = arguments()
    if database := os.environ.get("TOLLGATE_PAGES_DATABASE"):
        return measure(options, database)
    with tempfile.TemporaryDirectory(prefix="tollgate-pages-") as folder:
        return max(
            start(options, name, Path(folder)) for name in options.only.split(",")
        )


def start(options: argparse.Namespace, name: str, folder: Path) -> int:
    """Another process for each database: its settings are read once."""
    kept = options.dir or folder
    kept.mkdir(parents=True, exist_ok=True)
    cluster, url = None, f"sqlite:///{kept / 'pages.sqlite3'}"
    if name == "postgres":
        programs = requirements.find_postgresql()
        if programs is None:
            tell("PostgreSQL is not installed: not measured")
            return 0
        cluster = Cluster(programs).start()
        url = cluster.url("postgres")
    environment = {
        **os.environ,
        "TOLLGATE_PAGES_DATABASE": name,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DATABASE_URL": url,
        "VAR_DIR": str(kept),
        "ALLOWED_HOSTS": "testserver",
        "REDIS_URL": "",
        "LOG_LEVEL": "ERROR",
    }
    try:
        command = [sys.executable, "-m", "tests.pages", *sys.argv[1:]]
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        if cluster is not None:
            cluster.stop()


def measure(options: argparse.Namespace, database: str) -> int:
    import django

    django.setup()
    logging.disable(logging.WARNING)  # of what takes forms only
    from tests.pages import report

    started = time.monotonic()
    small = report.found_or_built("small", **SMALL)
    large = report.found_or_built(
        "large",
        calls_count=options.calls,
        keys_count=options.keys,
        members_count=options.members,
    )
    tell(f"{database}: built in {time.monotonic() - started:.0f} s")
    costs = report.costs(large, small, options)
    return report.tell(costs, P95_MAX_MS, tell, has_statements=options.slowest)


if __name__ == "__main__":
    sys.exit(main())
