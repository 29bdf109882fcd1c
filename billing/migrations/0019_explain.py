"""An index for who explains a balance: what moved it beside the calls' first prices."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0018_activity"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(
                Coalesce("source_tenant_id", "destination_tenant_id"),
                models.F("created_at"),
                condition=models.Q(
                    models.Q(("kind__in", ["usage", "absorb"]), _negated=True),
                    ("correction_id__isnull", False),
                    _connector="OR",
                ),
                name="transfer_beside_calls",
            ),
        ),
    ]
