"""The audit trail as PostgreSQL leaves it after a commit, in a test that rolls back."""

from __future__ import annotations

from django.db import connection, transaction

TABLE = "portal_auditevent"


def settle() -> None:
    """What PostgreSQL does when a transaction commits."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def unguard() -> None:
    """Let the trail be tampered with until the test rolls back."""
    settle()
    on = f" ON {TABLE}" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        for verb in ("update", "delete"):
            cursor.execute(f"DROP TRIGGER {TABLE}_refuse_{verb}{on}")


def run(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
