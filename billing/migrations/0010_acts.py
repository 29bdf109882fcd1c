"""A chain of all that was done to an account, and a seal on every hold."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def guard(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    for verb in ("UPDATE", "DELETE"):
        name = f"billing_act_refuse_{verb.lower()}"
        if editor.connection.vendor == "postgresql":
            editor.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON billing_act "
                "FOR EACH ROW EXECUTE FUNCTION billing_refuse_change()"
            )
        else:
            editor.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON billing_act BEGIN "
                "SELECT RAISE(ABORT, 'billing_act is append-only: "
                "correct it with a new row'); END"
            )


def unguard(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    on_table = " ON billing_act" if editor.connection.vendor == "postgresql" else ""
    for verb in ("update", "delete"):
        editor.execute(f"DROP TRIGGER billing_act_refuse_{verb}{on_table}")


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0009_corrections"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="acts",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="account",
            name="chain",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="hold",
            name="seal",
            field=models.UUIDField(null=True),
        ),
        migrations.CreateModel(
            name="Act",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id",
                        "number",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("number", models.BigIntegerField()),
                ("kind", models.CharField(max_length=16)),
                ("subject_id", models.UUIDField()),
                ("digest", models.UUIDField()),
                ("chain", models.UUIDField()),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="billing.account",
                    ),
                ),
            ],
        ),
        migrations.RunPython(guard, unguard),
    ]
