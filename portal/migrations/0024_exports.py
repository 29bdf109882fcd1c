"""Exports, their schedules, and where the cost of projects and keys belongs."""

from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0023_webhooks"),
    ]

    operations = [
        migrations.CreateModel(
            name="ExportSchedule",
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
                ("kind", models.CharField(max_length=20)),
                ("format", models.CharField(max_length=10)),
                (
                    "every",
                    models.CharField(
                        choices=[("day", "Day"), ("week", "Week"), ("month", "Month")],
                        max_length=5,
                    ),
                ),
                ("mail_to", models.EmailField(blank=True, max_length=254)),
                ("to_storage", models.BooleanField(default=False)),
                ("next_day", models.DateField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="export_schedules",
                        to="portal.organization",
                    ),
                ),
            ],
            options={
                "db_table": "portal_exportschedule",
            },
        ),
        migrations.CreateModel(
            name="CostLabel",
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
                ("cost_center", models.CharField(blank=True, max_length=64)),
                ("tags", models.JSONField(default=dict)),
                (
                    "key",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cost_label",
                        to="portal.apikey",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cost_labels",
                        to="portal.organization",
                    ),
                ),
                (
                    "project",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cost_label",
                        to="portal.project",
                    ),
                ),
            ],
            options={
                "db_table": "portal_costlabel",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("project__isnull", True),
                            ("key__isnull", True),
                            _connector="XOR",
                        ),
                        name="costlabel_of_a_project_or_a_key",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Export",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("format", models.CharField(max_length=10)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("state", models.CharField(default="queued", max_length=10)),
                ("error", models.CharField(blank=True, max_length=200)),
                ("attempt", models.UUIDField(null=True)),
                ("attempts", models.IntegerField(default=0)),
                ("beat_at", models.DateTimeField(null=True)),
                ("rows", models.BigIntegerField(default=0)),
                ("rows_expected", models.BigIntegerField(default=0)),
                ("file", models.CharField(blank=True, max_length=100)),
                ("bytes", models.BigIntegerField(default=0)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("to_tell", models.BooleanField(default=False)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="exports",
                        to="portal.organization",
                    ),
                ),
                (
                    "schedule",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="exports",
                        to="portal.exportschedule",
                    ),
                ),
            ],
            options={
                "db_table": "portal_export",
                "indexes": [
                    models.Index(
                        fields=["organization", "-created_at"], name="export_latest"
                    ),
                    models.Index(
                        condition=models.Q(("state__in", ["queued", "running"])),
                        fields=["created_at"],
                        name="export_unfinished",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("since__lt", models.F("until"))),
                        name="export_of_some_time",
                    ),
                    models.UniqueConstraint(
                        fields=("schedule", "since"),
                        name="export_once_of_each_schedule",
                    ),
                ],
            },
        ),
    ]
