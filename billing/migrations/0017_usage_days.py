"""Sums of whole days, for pages over months; and what was booked when."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0015_counts_as"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsageDay",
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
                ("cut", models.CharField(max_length=10)),
                ("day", models.DateField()),
                ("key_id", models.BigIntegerField(default=0)),
                ("project_id", models.BigIntegerField(default=0)),
                ("holder_id", models.BigIntegerField(default=0)),
                ("operation", models.CharField(default="", max_length=32)),
                ("model", models.CharField(default="", max_length=200)),
                ("client", models.CharField(default="", max_length=64)),
                ("session", models.CharField(default="", max_length=64)),
                ("requests", models.BigIntegerField()),
                ("prompt_tokens", models.BigIntegerField()),
                ("completion_tokens", models.BigIntegerField()),
                ("charged_micros", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="UsageDays",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="billing.account",
                    ),
                ),
                ("zone", models.CharField(max_length=64)),
                ("until", models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddIndex(
            model_name="correction",
            index=models.Index(
                condition=models.Q(("state", "posted")),
                fields=["account", "ended_at"],
                name="correction_booked",
            ),
        ),
        migrations.AddField(
            model_name="usageday",
            name="account",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to="billing.account",
            ),
        ),
        migrations.AddIndex(
            model_name="usageday",
            index=models.Index(
                condition=models.Q(("cut", "all")),
                fields=["account", "key_id", "day"],
                name="usageday_of_key",
            ),
        ),
        migrations.AddIndex(
            model_name="usageday",
            index=models.Index(
                condition=models.Q(("cut", "all")),
                fields=["account", "holder_id", "day"],
                name="usageday_of_holder",
            ),
        ),
        migrations.AddConstraint(
            model_name="usageday",
            constraint=models.UniqueConstraint(
                fields=[
                    *("account", "cut", "day", "key_id", "project_id", "holder_id"),
                    *("operation", "model", "client", "session"),
                ],
                name="usageday_one_per_day_and_group",
            ),
        ),
    ]
