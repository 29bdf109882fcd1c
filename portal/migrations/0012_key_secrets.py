"""A key keeps its id when it is rotated: its secrets are rows of their own.

Until now each rotation made another key. Of those that were rotated one into the next
one remains, the last, with the secrets of all; what they have spent stays with the
secrets' spenders in the ledger.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.utils import timezone


def give_secrets(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """One for each key, and then one key for each chain of them."""
    key_model = apps.get_model("portal", "ApiKey")
    secret_model = apps.get_model("portal", "KeySecret")
    rules_model = apps.get_model("portal", "Rules")
    known = {key.pk: key for key in key_model.objects.select_related("spender")}
    next_of = {each.rotated_from_id: each for each in known.values()}
    now = timezone.now()
    for key in known.values():
        last = last_of(key, next_of, now)
        secret = secret_model.objects.create(
            key_id=last.pk,
            spender_id=key.spender_id,
            public_id=key.public_id,
            last4=key.last4,
            digest=key.digest,
            closed_at=None if key is last else key.revoked_at,
        )
        secret_model.objects.filter(pk=secret.pk).update(created_at=key.created_at)
    merged = [key for key in known.values() if last_of(key, next_of, now) is not key]
    for key in sorted(merged, key=lambda each: each.created_at, reverse=True):
        last = key_model.objects.filter(pk=last_of(key, next_of, now).pk)
        last.update(created_at=key.created_at, created_by=key.created_by_id)
    ids = [key.pk for key in merged]
    key_model.objects.update(rotated_from=None)
    rules_model.objects.filter(api_key__in=ids).delete()
    key_model.objects.filter(pk__in=ids).delete()
    if editor.connection.vendor == "postgresql":
        # Checks that wait for the commit would forbid to alter the tables.
        editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def last_of(key: Any, next_of: dict[Any, Any], now: datetime) -> Any:
    """The last key that it was rotated into. One that still works is not merged into
    one that was revoked: what works goes on working."""
    while (later := next_of.get(key.pk)) is not None:
        if later.revoked_at is not None and works(key, now):
            break
        key = later
    return key


def works(key: Any, now: datetime) -> bool:
    closes_at = key.spender.closes_at
    return key.revoked_at is None and (closes_at is None or closes_at > now)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0015_counts_as"),
        ("portal", "0015_audit_chain"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeySecret",
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
                ("public_id", models.CharField(max_length=8)),
                ("last4", models.CharField(max_length=4)),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="secrets",
                        to="portal.apikey",
                    ),
                ),
                (
                    "spender",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="secret",
                        to="billing.spender",
                    ),
                ),
            ],
            options={"db_table": "portal_keysecret"},
        ),
        migrations.RunPython(give_secrets, migrations.RunPython.noop),
        migrations.RemoveField("apikey", "digest"),
        migrations.RemoveField("apikey", "rotated_from"),
        migrations.AddField(
            "apikey", "disabled_at", models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddIndex(
            "apikey",
            models.Index(fields=["organization", "name", "id"], name="apikey_by_name"),
        ),
    ]
