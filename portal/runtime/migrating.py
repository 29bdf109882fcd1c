"""Migrations take the time they need: the limits for calls and pages are not theirs.

Except for locks. While a migration waits for a table, everybody else who wants that
table waits behind it: it gives up after `lock_timeout`, and can be started again.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

from billing.values.patience import set_patience

MIGRATION_SECONDS = 3600


def lift_limits(sender: Any, using: str, **_: Any) -> None:
    """Django's `pre_migrate`, once for each application."""
    set_patience(MIGRATION_SECONDS)
    _execute(using, f"SET statement_timeout = '{MIGRATION_SECONDS}s'")


def restore_limits(sender: Any, using: str, **_: Any) -> None:
    """Django's `post_migrate`."""
    set_patience(None)
    _execute(using, "RESET statement_timeout")


def _execute(using: str, statement: str) -> None:
    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(statement)
