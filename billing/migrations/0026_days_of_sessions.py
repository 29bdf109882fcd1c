"""Days are made again: they are divided by sessions, and by what belongs to a project,
too. Until the worker has made them the reports read the quarters."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0025_credit_prices")]

    operations = [
        migrations.RunSQL(
            "UPDATE billing_usagedays SET until = NULL", migrations.RunSQL.noop
        )
    ]
