"""Replies kept for clients that did not get theirs."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0005_fingerprint_holds"),
        ("proxy", "0001_create_jobs"),
    ]

    operations = [
        migrations.CreateModel(
            name="StoredReply",
            fields=[
                ("fingerprint", models.UUIDField(primary_key=True, serialize=False)),
                ("content_digest", models.UUIDField()),
                ("hold_id", models.UUIDField()),
                ("status", models.SmallIntegerField(null=True)),
                ("sealed", models.BinaryField(default=b"")),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(db_index=True)),
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
                "db_table": "proxy_storedreply",
            },
        ),
    ]
