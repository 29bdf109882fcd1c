"""What a hold keeps is in its own row, what a charge took from which grant is kept for
good, and the database knows which accounts a kind of transfer may join."""

from __future__ import annotations

from functools import partial

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

EVERY_GUARDED = (
    "billing_transfer",
    "billing_entry",
    "billing_usagerecord",
    "billing_usagecomponent",
)
UNCHECKED = {
    "db_constraint": False,
    "db_index": False,
    "on_delete": django.db.models.deletion.PROTECT,
}

FILL = (
    "UPDATE billing_account SET tenant_id = id WHERE kind = 'organization'",
    "UPDATE billing_account SET tenant_id = (SELECT o.id FROM billing_account o "
    "WHERE o.usage_account_id = billing_account.id) WHERE kind = 'usage'",
    "UPDATE billing_account SET last_entry_at = (SELECT max(e.created_at) "
    "FROM billing_entry e WHERE e.account_id = billing_account.id)",
    *(
        f"UPDATE billing_transfer SET {side}_kind = (SELECT a.kind "  # noqa: S608
        f"FROM billing_account a WHERE a.id = {side}_id), {side}_tenant_id = (SELECT "
        f"a.tenant_id FROM billing_account a WHERE a.id = {side}_id)"
        for side in ("source", "destination")
    ),
)


def unguard(
    tables: tuple[str, ...], _apps: StateApps, editor: BaseDatabaseSchemaEditor
) -> None:
    """Lift the triggers of 0002."""
    for table in tables:
        for verb in ("update", "delete"):
            is_postgres = editor.connection.vendor == "postgresql"
            on_table = f" ON {table}" if is_postgres else ""
            editor.execute(f"DROP TRIGGER IF EXISTS {table}_refuse_{verb}{on_table}")


def guard(
    tables: tuple[str, ...], _apps: StateApps, editor: BaseDatabaseSchemaEditor
) -> None:
    """Set them again. SQLite forgets a table's triggers when it alters the table."""
    for table in tables:
        for verb in ("UPDATE", "DELETE"):
            name = f"{table}_refuse_{verb.lower()}"
            if editor.connection.vendor == "postgresql":
                editor.execute(
                    f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
                    "FOR EACH ROW EXECUTE FUNCTION billing_refuse_change()"
                )
            else:
                editor.execute(
                    f"CREATE TRIGGER {name} BEFORE {verb} ON {table} BEGIN "
                    f"SELECT RAISE(ABORT, '{table} is append-only: "
                    "correct it with a new row'); END"
                )


def fill(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Open holds keep their pins, and earlier transfers get their kinds."""
    for statement in FILL:
        editor.execute(statement)
    pins: dict[object, list[tuple[int, int]]] = {}
    for lot in apps.get_model("billing", "HoldLot").objects.order_by("rank"):
        pins.setdefault(lot.hold_id, []).append((lot.grant_id, lot.amount_micros))
    holds = apps.get_model("billing", "Hold").objects
    for hold_id, pinned in pins.items():
        holds.filter(id=hold_id).update(pins=pinned)


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_learned_bounds")]

    operations = [
        migrations.RunPython(
            partial(unguard, EVERY_GUARDED), partial(guard, EVERY_GUARDED)
        ),
        migrations.AddField(
            model_name="account",
            name="last_entry_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="account",
            name="tenant",
            field=models.ForeignKey(
                null=True, related_name="+", to="billing.account", **UNCHECKED
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="pins",
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name="transfer",
            name="source_kind",
            field=models.CharField(default="", max_length=16),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="transfer",
            name="source_tenant_id",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="transfer",
            name="destination_kind",
            field=models.CharField(default="", max_length=16),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="transfer",
            name="destination_tenant_id",
            field=models.BigIntegerField(null=True),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.DeleteModel(name="HoldLot"),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "organization"), _negated=True),
                    ("tenant__isnull", True),
                    ("tenant", models.F("id")),
                    _connector="OR",
                ),
                name="account_organization_is_its_own_tenant",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["organization", "usage"]),
                    ("tenant__isnull", True),
                    _connector="OR",
                ),
                name="account_of_the_operator_has_no_tenant",
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("destination_kind", "organization"),
                        ("kind", "grant"),
                        ("source_kind", "issuance"),
                        ("source_tenant_id__isnull", True),
                        ("destination_tenant_id__isnull", False),
                    ),
                    models.Q(
                        ("destination_kind", "usage"),
                        ("kind", "usage"),
                        ("source_kind", "organization"),
                        ("source_tenant_id__isnull", False),
                        ("destination_tenant_id__isnull", False),
                        ("source_tenant_id", models.F("destination_tenant_id")),
                    ),
                    models.Q(
                        ("destination_kind", "usage"),
                        ("kind", "absorb"),
                        ("source_kind", "absorbed"),
                        ("source_tenant_id__isnull", True),
                        ("destination_tenant_id__isnull", False),
                    ),
                    models.Q(
                        ("destination_kind", "expiry"),
                        ("kind", "expire"),
                        ("source_kind", "organization"),
                        ("source_tenant_id__isnull", False),
                        ("destination_tenant_id__isnull", True),
                    ),
                    models.Q(
                        ("destination_kind", "organization"),
                        ("kind", "refund"),
                        ("source_kind", "usage"),
                        ("source_tenant_id__isnull", False),
                        ("destination_tenant_id__isnull", False),
                        ("source_tenant_id", models.F("destination_tenant_id")),
                    ),
                    _connector="OR",
                ),
                name="transfer_fits_its_kind",
            ),
        ),
        migrations.CreateModel(
            name="Burn",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "transfer_id",
                        "grant_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("amount_micros", models.BigIntegerField()),
                (
                    "grant",
                    models.ForeignKey(
                        related_name="burns", to="billing.grant", **UNCHECKED
                    ),
                ),
                (
                    "transfer",
                    models.ForeignKey(
                        related_name="burns", to="billing.transfer", **UNCHECKED
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="burn",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_micros", 0), _negated=True),
                name="burn_amount_not_zero",
            ),
        ),
        migrations.RunPython(
            partial(guard, (*EVERY_GUARDED, "billing_burn")),
            partial(unguard, (*EVERY_GUARDED, "billing_burn")),
        ),
    ]
