"""Several disputes of one top-up, one after another."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0022_topups"),
    ]

    operations = [
        migrations.AddField(
            model_name="topup",
            name="disputes",
            field=models.JSONField(default=list),
        ),
    ]
