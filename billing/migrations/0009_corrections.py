"""A second word on a call that has ended, and the operator's word on doubts."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# What is not pending never changes, and nothing is ever deleted.
GUARDS = {"UPDATE": "WHEN (OLD.state <> 'pending')", "DELETE": ""}


def guard(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    for verb, when in GUARDS.items():
        name = f"billing_correction_refuse_{verb.lower()}"
        if editor.connection.vendor == "postgresql":
            editor.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON billing_correction "
                f"FOR EACH ROW {when} EXECUTE FUNCTION billing_refuse_change()"
            )
        else:
            editor.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON billing_correction {when} "
                "BEGIN SELECT RAISE(ABORT, 'billing_correction is append-only: "
                "correct it with a new row'); END"
            )


def unguard(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    is_postgres = editor.connection.vendor == "postgresql"
    on_table = " ON billing_correction" if is_postgres else ""
    for verb in GUARDS:
        editor.execute(
            f"DROP TRIGGER billing_correction_refuse_{verb.lower()}{on_table}"
        )


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0008_kernel"),
    ]

    operations = [
        migrations.CreateModel(
            name="Acknowledgement",
            fields=[
                (
                    "hold",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="acknowledgement",
                        serialize=False,
                        to="billing.hold",
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                ("noted_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="transfer",
            name="correction_id",
            field=models.UUIDField(null=True),
        ),
        migrations.CreateModel(
            name="Correction",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("operation", models.CharField(max_length=32)),
                ("model", models.CharField(max_length=200)),
                ("kind", models.CharField(max_length=10)),
                ("state", models.CharField(default="pending", max_length=10)),
                ("reference", models.CharField(max_length=200, unique=True)),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("basis", models.CharField(max_length=10)),
                ("upstream_micros", models.BigIntegerField(null=True)),
                ("said_micros", models.BigIntegerField(null=True)),
                ("charged_micros", models.BigIntegerField(default=0)),
                ("absorbed_micros", models.BigIntegerField(default=0)),
                ("requests", models.SmallIntegerField(default=0)),
                ("prompt_tokens", models.BigIntegerField(default=0)),
                ("completion_tokens", models.BigIntegerField(default=0)),
                ("upstream_id", models.CharField(blank=True, max_length=128)),
                ("flags", models.CharField(blank=True, max_length=200)),
                ("noted_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="billing.account",
                    ),
                ),
                (
                    "hold",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="corrections",
                        to="billing.hold",
                    ),
                ),
                (
                    "spender",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="billing.spender",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["noted_at"],
                        name="correction_pending",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind__in", ["late", "adjustment", "refund"]),
                            ("state__in", ["pending", "posted", "dismissed"]),
                        ),
                        name="correction_kind_and_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("said_micros__isnull", True),
                            ("said_micros__gte", 0),
                            _connector="OR",
                        ),
                        name="correction_price_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("said_micros__isnull", False), ("state", "posted")
                            ),
                            models.Q(
                                models.Q(("state", "posted"), _negated=True),
                                ("absorbed_micros", 0),
                                ("charged_micros", 0),
                            ),
                            _connector="OR",
                        ),
                        name="correction_moves_nothing_before_it_is_posted",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at__isnull", True), ("state", "pending")),
                            models.Q(
                                models.Q(("state", "pending"), _negated=True),
                                ("ended_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="correction_ends_once",
                    ),
                ],
            },
        ),
        migrations.RunPython(guard, unguard),
    ]
