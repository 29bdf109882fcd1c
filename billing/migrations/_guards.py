"""SQLite forgets a table's triggers when a migration makes the table anew.

A migration that adds columns to a guarded table begins with `lift` and ends with
`set_again`: what stood before stands after it, in whatever order migrations run.
"""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

FOUND = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
_lifted: dict[str, str] = {}


def _lift(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "sqlite":
        _lifted.clear()
        with editor.connection.cursor() as cursor:
            cursor.execute(FOUND)
            _lifted.update(cursor.fetchall())
            for name in _lifted:
                cursor.execute(f"DROP TRIGGER {name}")


def _set_again(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "sqlite":
        with editor.connection.cursor() as cursor:
            for sql in _lifted.values():
                cursor.execute(sql)


def lift() -> migrations.RunPython:
    return migrations.RunPython(_lift, _set_again)


def set_again() -> migrations.RunPython:
    return migrations.RunPython(_set_again, _lift)


def allow_changes(
    tables: tuple[str, ...], _apps: StateApps, editor: BaseDatabaseSchemaEditor
) -> None:
    """Drop the triggers that keep these tables append-only, where they stand."""
    on = " ON {}" if editor.connection.vendor == "postgresql" else ""
    for table in tables:
        for verb in ("update", "delete"):
            name = f"{table}_refuse_{verb}"
            editor.execute(f"DROP TRIGGER IF EXISTS {name}{on.format(table)}")


def refuse_changes(
    tables: tuple[str, ...], _apps: StateApps, editor: BaseDatabaseSchemaEditor
) -> None:
    """Keep these tables append-only, as `0002_guard_journal` does."""
    for table in tables:
        for verb in ("UPDATE", "DELETE"):
            name = f"{table}_refuse_{verb.lower()}"
            if editor.connection.vendor == "postgresql":
                editor.execute(
                    f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
                    "FOR EACH ROW EXECUTE FUNCTION billing_refuse_change()"
                )
            else:
                editor.execute(
                    f"CREATE TRIGGER {name} BEFORE {verb} ON {table} BEGIN "
                    f"SELECT RAISE(ABORT, '{table} is append-only: "
                    "correct it with a new row'); END"
                )
