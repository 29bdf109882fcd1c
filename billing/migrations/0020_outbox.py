"""The outbox: events, written in the transaction of what they tell of."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0019_explain"),
    ]

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("uid", models.UUIDField(unique=True)),
                ("type", models.CharField(max_length=40)),
                ("key", models.CharField(max_length=200)),
                ("data", models.JSONField()),
                ("created_at", models.DateTimeField()),
                ("dispatched_at", models.DateTimeField(null=True)),
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
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("dispatched_at__isnull", True)),
                        fields=["id"],
                        name="event_to_dispatch",
                    ),
                    models.Index(
                        fields=["account", "created_at"], name="event_of_account"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["account", "type", "key"],
                        name="event_once_for_each_key",
                    )
                ],
            },
        ),
    ]
