"""Attempts at requests that may come again, and questions to their processes."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0005_fingerprint_holds"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="hold", name="hold_fingerprint"),
        migrations.RemoveField(model_name="hold", name="fingerprint"),
        migrations.AddField(
            model_name="lease",
            name="asked",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="lease",
            name="answered",
            field=models.BigIntegerField(default=0),
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                (
                    "hold",
                    models.OneToOneField(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to="billing.hold",
                    ),
                ),
                ("fingerprint", models.UUIDField(db_index=True)),
                ("content", models.UUIDField()),
                ("retry_count", models.SmallIntegerField()),
                ("joined_by", models.UUIDField(null=True)),
                ("lease_id", models.UUIDField(null=True)),
                ("is_lost", models.BooleanField(default=False)),
                ("placed_at", models.DateTimeField()),
            ],
        ),
    ]
