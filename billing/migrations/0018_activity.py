"""Indexes for who looks through a list of calls: of a key, of a session, and those that
were not charged. The latter two have few rows; what the first costs a call is in
`billing/README.md`."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0017_usage_days")]

    operations = [
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                fields=["spender", "-placed_at"], name="hold_of_spender"
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                fields=["account", "session", "-placed_at"],
                condition=models.Q(("session", ""), _negated=True),
                name="hold_of_session",
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                fields=["account", "state", "-placed_at"],
                condition=models.Q(("state__in", ["released", "in_doubt"])),
                name="hold_not_charged",
            ),
        ),
    ]
