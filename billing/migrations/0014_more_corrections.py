"""What the operator changes of credits, in more kinds than a call's price."""

from __future__ import annotations

from functools import partial

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# SQLite forgets a table's triggers when its constraints change.
GUARDED = ("billing_transfer",)


def unguard(
    tables: tuple[str, ...], _apps: StateApps, editor: BaseDatabaseSchemaEditor
) -> None:
    on = " ON {}" if editor.connection.vendor == "postgresql" else ""
    for table in tables:
        for verb in ("update", "delete"):
            name = f"{table}_refuse_{verb}"
            editor.execute(f"DROP TRIGGER IF EXISTS {name}{on.format(table)}")


def guard(
    tables: tuple[str, ...], _apps: StateApps, editor: BaseDatabaseSchemaEditor
) -> None:
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


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0011_units"),
    ]

    operations = [
        migrations.RunPython(partial(unguard, GUARDED), partial(guard, GUARDED)),
        migrations.RemoveConstraint(
            model_name="transfer",
            name="transfer_fits_its_kind",
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("destination_kind", "organization"),
                        ("kind", "grant"),
                        ("source_kind", "issuance"),
                        ("source_tenant_id__isnull", True),
                        ("destination_tenant_id__isnull", False),
                    ),
                    models.Q(
                        ("destination_kind", "usage"),
                        ("kind", "usage"),
                        ("source_kind", "organization"),
                        ("source_tenant_id__isnull", False),
                        ("destination_tenant_id__isnull", False),
                        ("source_tenant_id", models.F("destination_tenant_id")),
                    ),
                    models.Q(
                        ("destination_kind", "usage"),
                        ("kind", "absorb"),
                        ("source_kind", "absorbed"),
                        ("source_tenant_id__isnull", True),
                        ("destination_tenant_id__isnull", False),
                    ),
                    models.Q(
                        ("destination_kind", "expiry"),
                        ("kind", "expire"),
                        ("source_kind", "organization"),
                        ("source_tenant_id__isnull", False),
                        ("destination_tenant_id__isnull", True),
                    ),
                    models.Q(
                        ("destination_kind", "organization"),
                        ("kind", "refund"),
                        ("source_kind", "usage"),
                        ("source_tenant_id__isnull", False),
                        ("destination_tenant_id__isnull", False),
                        ("source_tenant_id", models.F("destination_tenant_id")),
                    ),
                    models.Q(
                        ("destination_kind", "absorbed"),
                        ("kind", "relief"),
                        ("source_kind", "usage"),
                        ("source_tenant_id__isnull", False),
                        ("destination_tenant_id__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="transfer_fits_its_kind",
            ),
        ),
        migrations.RunPython(partial(guard, GUARDED), partial(unguard, GUARDED)),
    ]
