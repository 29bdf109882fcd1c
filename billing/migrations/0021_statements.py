"""Statements of closed months: append-only."""

from __future__ import annotations

from functools import partial

import django.db.models.deletion
from django.db import migrations, models

from billing.migrations._guards import allow_changes, refuse_changes

TABLES = ("billing_statement",)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0020_outbox"),
    ]

    operations = [
        migrations.CreateModel(
            name="Statement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("number", models.IntegerField()),
                ("part", models.IntegerField()),
                ("month", models.CharField(max_length=7)),
                ("zone", models.CharField(max_length=64)),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("opening_micros", models.BigIntegerField()),
                ("closing_micros", models.BigIntegerField()),
                ("figures", models.TextField()),
                ("previous", models.CharField(blank=True, max_length=64)),
                ("digest", models.CharField(max_length=64)),
                ("closed_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="billing.account",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.unit",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "number", "part"),
                        name="statement_numbered_once",
                    ),
                    models.UniqueConstraint(
                        fields=("account", "month", "part"), name="statement_month_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("number__gte", 1),
                            models.Q(
                                models.Q(("part", 0), ("project__isnull", True)),
                                models.Q(("part__gte", 1), ("project__isnull", False)),
                                _connector="OR",
                            ),
                        ),
                        name="statement_part_0_is_the_organization",
                    ),
                ],
            },
        ),
        migrations.RunPython(
            partial(refuse_changes, TABLES), partial(allow_changes, TABLES)
        ),
    ]
