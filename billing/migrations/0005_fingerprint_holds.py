"""What tells a request that a client sends again from another one."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0004_price_media"),
    ]

    operations = [
        migrations.AddField(
            model_name="hold",
            name="fingerprint",
            field=models.UUIDField(null=True),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                condition=models.Q(("fingerprint__isnull", False)),
                fields=["fingerprint"],
                name="hold_fingerprint",
            ),
        ),
    ]
