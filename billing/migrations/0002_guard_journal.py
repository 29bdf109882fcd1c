"""The journal is append-only: the database itself refuses to change a line of it."""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TABLES = (
    "billing_transfer",
    "billing_entry",
    "billing_usagerecord",
    "billing_usagecomponent",
)


def guard(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute(
            """
            CREATE FUNCTION billing_refuse_change() RETURNS trigger AS $$
            BEGIN
                RAISE EXCEPTION '% is append-only: correct it with a new row',
                    TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END
            $$ LANGUAGE plpgsql
            """,
            params=None,  # the percent sign is PL/pgSQL's
        )
    for table in TABLES:
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


def unguard(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    for table in TABLES:
        for verb in ("update", "delete"):
            on_table = (
                f" ON {table}" if editor.connection.vendor == "postgresql" else ""
            )
            editor.execute(f"DROP TRIGGER {table}_refuse_{verb}{on_table}")
    if editor.connection.vendor == "postgresql":
        editor.execute("DROP FUNCTION billing_refuse_change()")


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]
    operations = [migrations.RunPython(guard, unguard)]
