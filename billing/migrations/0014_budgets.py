"""Budgets and their counters; runs, which are holds of their own kind."""

from __future__ import annotations

from functools import partial

import django.db.models.deletion
from django.db import migrations, models

from billing.migrations._guards import allow_changes, refuse_changes

GUARDED = ("billing_envelope",)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0013_more_corrections"),
    ]

    operations = [
        migrations.CreateModel(
            name="Budget",
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
                ("level", models.CharField(max_length=20)),
                ("subject", models.CharField(max_length=64)),
                ("window", models.CharField(max_length=5)),
                ("limit_micros", models.BigIntegerField()),
                ("model_pattern", models.CharField(blank=True, max_length=200)),
                ("operation", models.CharField(blank=True, max_length=32)),
                ("since", models.DateTimeField(null=True)),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        to="billing.account",
                    ),
                ),
                (
                    "holder",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.unit",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.unit",
                    ),
                ),
                (
                    "spender",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.spender",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BudgetRaise",
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
                ("micros", models.BigIntegerField()),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "budget",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="raises",
                        to="billing.budget",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BudgetWindow",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "budget_id",
                        "starts",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("starts", models.BigIntegerField()),
                ("spent_micros", models.BigIntegerField(default=0)),
                ("held_micros", models.BigIntegerField(default=0)),
                (
                    "budget",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="billing.budget",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Envelope",
            fields=[
                (
                    "hold",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="run",
                        serialize=False,
                        to="billing.hold",
                    ),
                ),
                ("label", models.CharField(blank=True, max_length=200)),
                ("model_pattern", models.CharField(blank=True, max_length=1000)),
                ("created_at", models.DateTimeField()),
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
                    "parent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="billing.spender",
                    ),
                ),
                (
                    "spender",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="run",
                        to="billing.spender",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="account",
            name="time_zone",
            field=models.CharField(default="UTC", max_length=64),
        ),
        migrations.AddField(
            model_name="hold",
            name="budgets",
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name="hold",
            name="envelope",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.hold",
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="is_envelope",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="spender",
            name="envelope",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.hold",
            ),
        ),
        migrations.AddField(
            model_name="spender",
            name="parent",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.spender",
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                condition=models.Q(("is_envelope", True), ("state", "open")),
                fields=["account", "due_at"],
                name="hold_open_envelopes",
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                condition=models.Q(("envelope__isnull", False)),
                fields=["envelope"],
                name="hold_of_envelope",
            ),
        ),
        migrations.AddIndex(
            model_name="budget",
            index=models.Index(
                condition=models.Q(("is_active", True)),
                fields=["subject"],
                name="budget_in_force",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("limit_micros__gte", 1), ("limit_micros__lte", 1000000000000000)
                ),
                name="budget_limit_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(
                condition=models.Q(("window__in", ["day", "week", "month", "total"])),
                name="budget_window_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("holder__isnull", True),
                        ("level", "organization"),
                        ("project__isnull", True),
                        ("spender__isnull", True),
                    ),
                    models.Q(
                        ("holder__isnull", True),
                        ("level", "project"),
                        ("project__isnull", False),
                        ("spender__isnull", True),
                    ),
                    models.Q(
                        ("holder__isnull", False),
                        ("level", "member"),
                        ("project__isnull", True),
                        ("spender__isnull", True),
                    ),
                    models.Q(
                        ("holder__isnull", False),
                        ("level", "member_in_project"),
                        ("project__isnull", False),
                        ("spender__isnull", True),
                    ),
                    models.Q(
                        ("holder__isnull", True),
                        ("level", "key"),
                        ("project__isnull", True),
                        ("spender__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="budget_level_says_whom",
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetraise",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("micros__gte", 1), ("micros__lte", 1000000000000000)
                ),
                name="budgetraise_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetraise",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_at__gt", models.F("starts_at"))),
                name="budgetraise_ends",
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetwindow",
            constraint=models.CheckConstraint(
                condition=models.Q(("held_micros__gte", 0), ("spent_micros__gte", 0)),
                name="budgetwindow_not_negative",
            ),
        ),
        migrations.RunPython(
            partial(refuse_changes, GUARDED), partial(allow_changes, GUARDED)
        ),
    ]
