"""A member asks for more of a budget."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0014_budgets"),
        ("portal", "0006_units"),
    ]

    operations = [
        migrations.CreateModel(
            name="RaiseRequest",
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
                ("until", models.DateTimeField()),
                ("reason", models.CharField(max_length=500)),
                ("state", models.CharField(default="pending", max_length=8)),
                ("answer", models.CharField(blank=True, max_length=500)),
                ("asked_at", models.DateTimeField(auto_now_add=True)),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "budget",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="billing.budget"
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "granted",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="billing.budgetraise",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="raise_requests",
                        to="portal.organization",
                    ),
                ),
            ],
            options={
                "db_table": "portal_raiserequest",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("micros__gte", 1), ("micros__lte", 1000000000000000)
                        ),
                        name="raiserequest_in_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decided_at__isnull", True),
                                ("granted__isnull", True),
                                ("state", "pending"),
                            ),
                            models.Q(
                                ("decided_at__isnull", False),
                                ("granted__isnull", False),
                                ("state", "granted"),
                            ),
                            models.Q(
                                ("decided_at__isnull", False),
                                ("granted__isnull", True),
                                ("state", "refused"),
                                models.Q(("answer", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="raiserequest_is_decided_once",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "pending")),
                        fields=("budget", "asked_by"),
                        name="raiserequest_one_at_a_time",
                    ),
                ],
            },
        ),
    ]
