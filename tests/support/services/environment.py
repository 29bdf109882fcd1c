"""The environment the suite runs in, made before anything reads Django's settings.

Nothing of the developer's own environment or `.env` reaches a test: every variable
that chooses a database, a broker or an upstream is overwritten here. Each pytest-xdist
worker has a database of its own; the PostgreSQL cluster is shared by them.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support.services import certificates, requirements
from tests.support.services.postgres import Cluster

UPSTREAM_API_KEY = "upstream-secret-key"
# Set by the process that started the services, read by its xdist workers.
FOLDER_VARIABLE = "TOLLGATE_TESTS_FOLDER"
MAINTENANCE_VARIABLE = "TOLLGATE_TESTS_MAINTENANCE_URL"

_cluster: Cluster | None = None


def prepare() -> str | None:
    """Set os.environ; why the suite can't run, if it can't.

    Called once per process: in pytest itself and in each xdist worker.
    """
    is_worker = FOLDER_VARIABLE in os.environ
    if not is_worker:
        os.environ[FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="tollgate-tests-")
        os.environ["SSL_CERT_FILE"] = str(certificates.write(folder()))
        # Not a pytest hook: those don't run when the configuration itself fails.
        atexit.register(clean_up)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    var_dir = folder() / worker
    var_dir.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="portal.settings",
        VAR_DIR=str(var_dir),
        DATABASE_URL=f"sqlite:///{var_dir / 'test.sqlite3'}",
        SECRET_KEY="a-key-for-tests-only-" + "x" * 40,
        REDIS_URL="",
        HOST="127.0.0.1",
        PORT="8000",
        PUBLIC_URL="http://127.0.0.1:8000",
        ALLOWED_HOSTS="localhost,127.0.0.1,testserver",
        WEB_CONCURRENCY="1",
        # Port 9 is nobody's: a test that forgets its upstream is refused at once.
        UPSTREAM_BASE_URL="http://127.0.0.1:9/api/v1",
        UPSTREAM_API_KEY=UPSTREAM_API_KEY,
    )
    os.environ.pop("DEBUG", None)
    match wanted_database():
        case "sqlite":
            return None
        case "postgres":
            return _prepare_postgres(worker)
        case other:
            pytest.exit(f"TEST_DATABASE={other}: sqlite or postgres?", returncode=4)


def wanted_database() -> str:
    return os.environ.get("TEST_DATABASE") or "sqlite"


def folder() -> Path:
    """The run's temporary folder; workers share it."""
    return Path(os.environ[FOLDER_VARIABLE])


def clean_up() -> None:
    """End what `prepare` started, in the process that started it."""
    if _cluster is not None:
        _cluster.stop()
    shutil.rmtree(folder(), ignore_errors=True)


def _prepare_postgres(worker: str) -> str | None:
    global _cluster
    if MAINTENANCE_VARIABLE not in os.environ:
        programs = requirements.find_postgresql()
        if programs is None:
            return "PostgreSQL's server programs are not installed"
        _cluster = Cluster(programs, waits_for_disk=False).start()
        os.environ[MAINTENANCE_VARIABLE] = _cluster.url("postgres")
    maintenance = os.environ[MAINTENANCE_VARIABLE]
    os.environ["DATABASE_URL"] = maintenance.replace("/postgres?", f"/test_{worker}?")
    return None
