"""What the purge of the replies of jobs reads: those that are still there."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("proxy", "0002_stored_reply"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("reply", ""), _negated=True),
                fields=["finished_at"],
                name="job_replied",
            ),
        ),
    ]
