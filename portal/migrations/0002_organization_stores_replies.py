"""Whether an organization has its replies kept."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="stores_replies",
            field=models.BooleanField(default=True),
        ),
    ]
