# Calls that were refused: how many, and the latest of each key.

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0025_alerts"),
    ]

    operations = [
        migrations.CreateModel(
            name="RefusedCount",
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
                ("starts_at", models.DateTimeField(db_index=True)),
                ("spender_id", models.BigIntegerField()),
                ("holder_id", models.BigIntegerField()),
                ("code", models.CharField(max_length=40)),
                ("requests", models.BigIntegerField()),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
            ],
            options={
                "db_table": "portal_refusedcount",
                "constraints": [
                    models.UniqueConstraint(
                        fields=(
                            "organization",
                            "starts_at",
                            "spender_id",
                            "holder_id",
                            "code",
                        ),
                        name="refusedcount_once_each",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="RefusedRequest",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(db_index=True)),
                ("spender_id", models.BigIntegerField()),
                ("holder_id", models.BigIntegerField()),
                ("code", models.CharField(max_length=40)),
                ("status", models.PositiveSmallIntegerField()),
                ("message", models.CharField(max_length=600)),
                ("operation", models.CharField(max_length=40)),
                ("model", models.CharField(max_length=200)),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
            ],
            options={
                "db_table": "portal_refusedrequest",
                "indexes": [
                    models.Index(
                        fields=["organization", "at", "id"],
                        name="refusedrequest_by_time",
                    ),
                    models.Index(
                        fields=["spender_id", "at"], name="refusedrequest_by_key"
                    ),
                ],
            },
        ),
    ]
