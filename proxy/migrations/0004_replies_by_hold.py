"""A stored reply is its hold's; digests have a key of the installation's own."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import proxy.models.installation


def make_the_one(apps: StateApps, _editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("proxy", "Installation").objects.get_or_create(id=1)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0006_attempts"),
        ("proxy", "0003_index_kept_replies_of_jobs"),
    ]

    operations = [
        # Words for a quarter of an hour: those that are there are not carried over.
        migrations.DeleteModel(name="StoredReply"),
        migrations.CreateModel(
            name="StoredReply",
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
                ("status", models.SmallIntegerField()),
                ("sealed", models.BinaryField()),
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
        ),
        migrations.CreateModel(
            name="Installation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "digest_key",
                    models.BinaryField(default=proxy.models.installation.new_key),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="installation_is_one"
                    )
                ],
            },
        ),
        migrations.RunPython(make_the_one, migrations.RunPython.noop),
    ]
