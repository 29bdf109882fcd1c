"""What calls taught about the tariff, and what is paused until the operator looks."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0006_attempts"),
    ]

    operations = [
        migrations.CreateModel(
            name="LearnedBound",
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
                ("operation", models.CharField(max_length=32)),
                ("model", models.CharField(max_length=200)),
                ("shape", models.CharField(blank=True, max_length=80)),
                ("size", models.SmallIntegerField(default=0)),
                ("factor_ppb", models.BigIntegerField(default=1000000000)),
                ("lessons", models.IntegerField(default=0)),
                ("is_free", models.BooleanField(default=False)),
                ("overruns", models.BigIntegerField(default=0)),
                ("borne_micros", models.BigIntegerField(default=0)),
                ("learned_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Pause",
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
                ("operation", models.CharField(blank=True, max_length=32)),
                ("model", models.CharField(blank=True, max_length=200)),
                ("borne_micros", models.BigIntegerField()),
                ("paused_at", models.DateTimeField()),
                ("told_at", models.DateTimeField(null=True)),
                ("released_at", models.DateTimeField(null=True)),
                ("accepted_micros", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name="hold",
            name="bound_micros",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="hold",
            name="is_untried",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="hold",
            name="shape",
            field=models.CharField(blank=True, max_length=80),
        ),
        migrations.AddIndex(
            model_name="usagerollup",
            index=models.Index(
                condition=models.Q(("absorbed_micros__gt", 0)),
                fields=["hour"],
                name="usagerollup_borne",
            ),
        ),
        migrations.AddConstraint(
            model_name="learnedbound",
            constraint=models.UniqueConstraint(
                fields=("operation", "model", "shape", "size"),
                name="learnedbound_one_per_kind_and_size",
            ),
        ),
        migrations.AddConstraint(
            model_name="learnedbound",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("borne_micros__gte", 0),
                    ("factor_ppb__gte", 1000000000),
                    ("lessons__gte", 0),
                    ("overruns__gte", 0),
                ),
                name="learnedbound_never_below_the_tariff",
            ),
        ),
        migrations.AddField(
            model_name="pause",
            name="account",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="billing.account",
            ),
        ),
        migrations.AddIndex(
            model_name="pause",
            index=models.Index(
                condition=models.Q(("released_at__isnull", True)),
                fields=["paused_at"],
                name="pause_standing",
            ),
        ),
        migrations.AddIndex(
            model_name="pause",
            index=models.Index(
                condition=models.Q(("released_at__isnull", False)),
                fields=["released_at"],
                name="pause_released",
            ),
        ),
        migrations.AddConstraint(
            model_name="pause",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("account__isnull", False), ("model", ""), ("operation", "")
                    ),
                    models.Q(
                        ("account__isnull", True),
                        models.Q(("operation", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="pause_of_an_organization_or_a_model",
            ),
        ),
        migrations.AddConstraint(
            model_name="pause",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("account__isnull", False), ("released_at__isnull", True)
                ),
                fields=("account",),
                name="pause_one_per_organization",
            ),
        ),
        migrations.AddConstraint(
            model_name="pause",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("account__isnull", True), ("released_at__isnull", True)
                ),
                fields=("operation", "model"),
                name="pause_one_per_model",
            ),
        ),
    ]
