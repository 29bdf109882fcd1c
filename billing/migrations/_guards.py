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
