"""What the operator changes of credits, in more kinds than a call's price."""

from __future__ import annotations

from functools import partial

import django.db.models.deletion
from django.db import migrations, models

from billing.migrations._guards import allow_changes, refuse_changes

# SQLite forgets a table's triggers when its constraints change.
GUARDED = ("billing_transfer",)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0012_usage_names"),
    ]

    operations = [
        migrations.RunPython(
            partial(allow_changes, GUARDED), partial(refuse_changes, GUARDED)
        ),
        migrations.CreateModel(
            name="Amendment",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=16)),
                ("reference", models.CharField(max_length=200, unique=True)),
                ("reason", models.CharField(max_length=500)),
                ("actor", models.CharField(max_length=200)),
                ("amount_micros", models.BigIntegerField()),
                ("moved_micros", models.BigIntegerField()),
                ("owed_micros", models.BigIntegerField()),
                ("noted_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="checkpoint",
                        serialize=False,
                        to="billing.account",
                    ),
                ),
                ("number", models.BigIntegerField()),
                ("chain", models.UUIDField()),
                ("made_at", models.DateTimeField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="account",
            name="account_of_the_operator_has_no_tenant",
        ),
        migrations.RemoveConstraint(
            model_name="transfer",
            name="transfer_fits_its_kind",
        ),
        migrations.AddField(
            model_name="account",
            name="owed_micros",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["organization", "usage", "debt"]),
                    ("tenant__isnull", True),
                    _connector="OR",
                ),
                name="account_of_the_operator_has_no_tenant",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "debt")),
                fields=("tenant",),
                name="account_one_debt_of_each_tenant",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "debt"), _negated=True),
                    models.Q(("balance_micros__lte", 0), ("tenant__isnull", False)),
                    _connector="OR",
                ),
                name="account_debt_is_somebodys_and_no_credit",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("owed_micros", 0),
                    models.Q(("kind", "organization"), ("owed_micros__gt", 0)),
                    _connector="OR",
                ),
                name="account_owed_by_organizations_only",
            ),
        ),
        migrations.AddConstraint(
            model_name="correction",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "refund")),
                fields=("hold",),
                name="correction_one_refund_of_each_call",
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
                    models.Q(
                        ("destination_kind", "absorbed"),
                        ("kind", "relief"),
                        ("source_kind", "usage"),
                        ("source_tenant_id__isnull", False),
                        ("destination_tenant_id__isnull", True),
                    ),
                    models.Q(
                        ("destination_kind", "organization"),
                        ("kind", "credit"),
                        ("source_kind", "adjustment"),
                        ("source_tenant_id__isnull", True),
                        ("destination_tenant_id__isnull", False),
                    ),
                    models.Q(
                        ("destination_kind", "adjustment"),
                        ("kind", "debit"),
                        ("source_kind", "organization"),
                        ("source_tenant_id__isnull", False),
                        ("destination_tenant_id__isnull", True),
                    ),
                    models.Q(
                        ("destination_kind", "issuance"),
                        ("kind", "reversal"),
                        ("source_kind", "organization"),
                        ("source_tenant_id__isnull", False),
                        ("destination_tenant_id__isnull", True),
                    ),
                    models.Q(
                        ("destination_kind", "issuance"),
                        ("kind", "clawback"),
                        ("source_kind", "organization"),
                        ("source_tenant_id__isnull", False),
                        ("destination_tenant_id__isnull", True),
                    ),
                    models.Q(
                        ("destination_kind", "issuance"),
                        ("kind", "debt"),
                        ("source_kind", "debt"),
                        ("source_tenant_id__isnull", False),
                        ("destination_tenant_id__isnull", True),
                    ),
                    models.Q(
                        ("destination_kind", "debt"),
                        ("kind", "repayment"),
                        ("source_kind", "organization"),
                        ("source_tenant_id__isnull", False),
                        ("destination_tenant_id__isnull", False),
                        ("source_tenant_id", models.F("destination_tenant_id")),
                    ),
                    models.Q(
                        ("destination_kind", "debt"),
                        ("kind", "write_off"),
                        ("source_kind", "adjustment"),
                        ("source_tenant_id__isnull", True),
                        ("destination_tenant_id__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="transfer_fits_its_kind",
            ),
        ),
        migrations.AddField(
            model_name="amendment",
            name="account",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to="billing.account",
            ),
        ),
        migrations.AddField(
            model_name="amendment",
            name="grant",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="billing.grant",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(("number__gt", 0)), name="checkpoint_number_positive"
            ),
        ),
        migrations.AddIndex(
            model_name="amendment",
            index=models.Index(fields=["grant"], name="amendment_of_grant"),
        ),
        migrations.AddConstraint(
            model_name="amendment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount_micros__gt", 0),
                    models.Q(
                        models.Q(
                            ("kind", "credit"),
                            ("grant__isnull", True),
                            ("moved_micros", models.F("amount_micros")),
                            ("owed_micros", 0),
                        ),
                        models.Q(
                            ("kind", "debit"),
                            ("grant__isnull", True),
                            (
                                "moved_micros",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("amount_micros"), "*", models.Value(-1)
                                ),
                            ),
                            ("owed_micros", 0),
                        ),
                        models.Q(
                            ("kind", "clawback"),
                            ("grant__isnull", True),
                            ("moved_micros__lte", 0),
                            (
                                "owed_micros",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("amount_micros"),
                                    "+",
                                    models.F("moved_micros"),
                                ),
                            ),
                            ("owed_micros__gte", 0),
                        ),
                        models.Q(
                            ("kind", "write_off"),
                            ("grant__isnull", True),
                            ("moved_micros", 0),
                            (
                                "owed_micros",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("amount_micros"), "*", models.Value(-1)
                                ),
                            ),
                        ),
                        models.Q(
                            ("kind", "reversal"),
                            ("grant__isnull", False),
                            (
                                "moved_micros",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("amount_micros"), "*", models.Value(-1)
                                ),
                            ),
                            ("owed_micros", 0),
                        ),
                        models.Q(
                            ("kind", "chargeback"),
                            ("grant__isnull", False),
                            ("moved_micros__lte", 0),
                            (
                                "owed_micros",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("amount_micros"),
                                    "+",
                                    models.F("moved_micros"),
                                ),
                            ),
                            ("owed_micros__gte", 0),
                        ),
                        _connector="OR",
                    ),
                ),
                name="amendment_does_what_its_kind_says",
            ),
        ),
        migrations.AddIndex(
            model_name="account",
            index=models.Index(
                condition=models.Q(("owed_micros__gt", 0)),
                fields=["id"],
                name="account_owing",
            ),
        ),
        migrations.RunPython(
            partial(refuse_changes, (*GUARDED, "billing_amendment")),
            partial(allow_changes, (*GUARDED, "billing_amendment")),
        ),
    ]
