"""What settings need besides their variables: the secret key, the database, a folder
that nobody else reads."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from billing.values.patience import PatientConnection
from portal.runtime.variables import Env

# What the server itself ends: who waits for a lock, which a forgotten session may keep
# for ever; a statement that takes too long; a transaction whose owner does nothing,
# and who keeps its locks. `billing.values.patience` is the client's side of it.
SERVER_LIMITS = (
    # To compile the plan of a report took 15 s, and to run it 0.2.
    "-c jit=off "
    "-c lock_timeout=5s -c statement_timeout=30s "
    "-c idle_in_transaction_session_timeout=60s"
)


def keep_private(folder: Path) -> None:
    """Let nobody else on this machine read what is in the folder, nor what this process
    and its children write from now on.

    The database and the broker's files hold sessions: who reads them is signed in.
    """
    os.umask(0o077)
    for place, _, names in os.walk(folder):
        for path in (place, *(os.path.join(place, name) for name in names)):
            with suppress(OSError):  # gone meanwhile, or another's
                mode = os.lstat(path).st_mode
                if mode & 0o077 and not stat.S_ISLNK(mode):
                    os.chmod(path, mode & 0o700)


def stored_secret_key(path: Path) -> str:
    """A random key kept beside the embedded database, made at the first start.

    Of two processes that start together one makes the file, whole at once; the other
    reads what is written there.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        draft.touch(mode=0o600, exist_ok=False)
        draft.write_text(secrets.token_urlsafe(64))
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text().strip()


def database(env: Env, var_dir: Path) -> dict[str, Any]:
    """Django's description of the database that `DATABASE_URL` names.

    SQLite: one file, every commit on disk (`synchronous=FULL`), and writers
    queue (`IMMEDIATE`, `fair_sqlite3`) instead of failing half-way through a
    transaction. It is in WAL mode, which the file remembers: `migrating.py` sets it.
    PostgreSQL: psycopg's pool, READ COMMITTED, and every wait ends; a server that
    vanished without a word is noticed within half a minute, where TCP alone would take
    hours.
    """
    config: dict[str, Any] = env.db(
        "DATABASE_URL", default=f"sqlite:///{var_dir / 'tollgate.sqlite3'}"
    )
    pool_max = env.int("DATABASE_POOL_MAX", default=16)
    given = config.get("OPTIONS", {})
    if config["ENGINE"].endswith("sqlite3"):
        config["ENGINE"] = "portal.runtime.fair_sqlite3"
        config["OPTIONS"] = {
            "timeout": 20,
            # The ledger's statements, each for several numbers of rows.
            "cached_statements": 512,
            **given,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA synchronous=FULL;",
        }
    elif config["ENGINE"].endswith("postgresql"):
        config["CONN_HEALTH_CHECKS"] = True
        config["OPTIONS"] = {
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,  # milliseconds
            **given,
            "options": f"{SERVER_LIMITS} {given.get('options', '')}".strip(),
            "pool": {
                "min_size": 1,
                "max_size": pool_max,
                "timeout": 5,
                "connection_class": PatientConnection,
            },
        }
    return config


def identity_provider(
    issuer: str, client_id: str, secret: str, name: str
) -> dict[str, Any]:
    """The one provider of single sign-on, as django-allauth wants it described."""
    app = {
        "provider_id": "sso",
        "name": name,
        "client_id": client_id,
        "secret": secret,
        "settings": {"server_url": issuer},
    }
    return {"openid_connect": {"APPS": [app] if issuer else []}}
