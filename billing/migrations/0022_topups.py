"""Top-ups, what payment providers told of them, and top-ups by themselves."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0021_statements"),
    ]

    operations = [
        migrations.CreateModel(
            name="Buyer",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="billing.account",
                    ),
                ),
                ("provider", models.CharField(max_length=16)),
                ("customer_ref", models.CharField(blank=True, max_length=255)),
                ("method_ref", models.CharField(blank=True, max_length=255)),
                ("name", models.CharField(blank=True, max_length=200)),
                ("address", models.CharField(blank=True, max_length=500)),
                ("tax_id", models.CharField(blank=True, max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="PaymentLook",
            fields=[
                (
                    "provider",
                    models.CharField(max_length=16, primary_key=True, serialize=False),
                ),
                ("read_until", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="AutoTopUp",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="billing.account",
                    ),
                ),
                ("is_on", models.BooleanField(default=False)),
                ("threshold_micros", models.BigIntegerField()),
                ("amount_micros", models.BigIntegerField()),
                ("month_max_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("number", models.BigIntegerField(default=0)),
                ("failures", models.SmallIntegerField(default=0)),
                ("not_before", models.DateTimeField(null=True)),
                ("paused_for", models.CharField(blank=True, max_length=32)),
                ("consent_id", models.BigIntegerField()),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("is_on", True)),
                        fields=["account"],
                        name="auto_topup_on",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount_micros__gt", 0),
                            ("month_max_minor__gt", 0),
                            ("threshold_micros__gt", 0),
                        ),
                        name="auto_topup_amounts_positive",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Consent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("text", models.TextField()),
                ("person", models.CharField(max_length=254)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("given_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.account",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TopUp",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("provider", models.CharField(max_length=16)),
                ("status", models.CharField(default="pending", max_length=16)),
                ("idempotency_key", models.CharField(max_length=255)),
                ("fingerprint", models.CharField(max_length=64)),
                ("pack", models.CharField(blank=True, max_length=40)),
                ("amount_micros", models.BigIntegerField()),
                ("price_minor", models.BigIntegerField()),
                ("tax_minor", models.BigIntegerField(default=0)),
                ("currency", models.CharField(max_length=3)),
                ("is_automatic", models.BooleanField(default=False)),
                ("saves_method", models.BooleanField(default=False)),
                ("asked_by", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField()),
                ("attempt", models.SmallIntegerField(default=1)),
                ("provider_ref", models.CharField(blank=True, max_length=255)),
                ("pay_url", models.TextField(blank=True)),
                ("payment_ref", models.CharField(blank=True, max_length=255)),
                ("paid_at", models.DateTimeField(null=True)),
                ("failed_at", models.DateTimeField(null=True)),
                ("expired_at", models.DateTimeField(null=True)),
                ("refunded_minor", models.BigIntegerField(default=0)),
                ("dispute", models.CharField(blank=True, max_length=8)),
                ("disputed_minor", models.BigIntegerField(default=0)),
                ("reason", models.CharField(blank=True, max_length=200)),
                ("taken_micros", models.BigIntegerField(default=0)),
                ("changes", models.SmallIntegerField(default=0)),
                ("receipt_number", models.BigIntegerField(null=True, unique=True)),
                ("buyer_name", models.CharField(blank=True, max_length=200)),
                ("buyer_address", models.CharField(blank=True, max_length=500)),
                ("buyer_tax_id", models.CharField(blank=True, max_length=64)),
                ("looks", models.SmallIntegerField(default=0)),
                ("look_at", models.DateTimeField(null=True)),
                ("seal", models.UUIDField()),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.account",
                    ),
                ),
                (
                    "grant",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.grant",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PaymentEvent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("provider", models.CharField(max_length=16)),
                ("event_id", models.CharField(max_length=255)),
                ("type", models.CharField(max_length=80)),
                ("state", models.CharField(max_length=16)),
                ("why", models.CharField(blank=True, max_length=200)),
                ("payment_ref", models.CharField(blank=True, max_length=255)),
                ("report", models.JSONField(null=True)),
                ("happened_at", models.DateTimeField()),
                ("received_at", models.DateTimeField()),
                (
                    "topup",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="billing.topup",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="topup",
            index=models.Index(
                fields=["account", "created_at"], name="topup_of_account"
            ),
        ),
        migrations.AddIndex(
            model_name="topup",
            index=models.Index(
                condition=models.Q(("look_at__isnull", False)),
                fields=["look_at"],
                name="topup_to_look_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.UniqueConstraint(
                fields=("account", "idempotency_key"), name="topup_once_for_each_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.UniqueConstraint(
                condition=models.Q(("provider_ref", ""), _negated=True),
                fields=("provider", "provider_ref"),
                name="topup_of_each_provider_ref",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.UniqueConstraint(
                condition=models.Q(("payment_ref", ""), _negated=True),
                fields=("provider", "payment_ref"),
                name="topup_of_each_payment",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount_micros__gt", 0),
                    ("price_minor__gt", 0),
                    ("tax_minor__gte", 0),
                ),
                name="topup_amounts_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount_micros__gte", models.F("taken_micros")),
                    ("taken_micros__gte", 0),
                ),
                name="topup_takes_back_what_it_gave",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("grant__isnull", True),
                        ("paid_at__isnull", True),
                        ("receipt_number__isnull", True),
                        ("status__in", ["pending", "failed", "expired"]),
                    ),
                    models.Q(
                        ("grant__isnull", False),
                        ("paid_at__isnull", False),
                        ("receipt_number__isnull", False),
                        ("status__in", ["paid", "refunded", "disputed"]),
                    ),
                    _connector="OR",
                ),
                name="topup_gives_credits_when_paid",
            ),
        ),
        migrations.AddIndex(
            model_name="paymentevent",
            index=models.Index(
                condition=models.Q(("state", "waiting")),
                fields=["payment_ref"],
                name="payment_event_waiting",
            ),
        ),
        migrations.AddIndex(
            model_name="paymentevent",
            index=models.Index(
                condition=models.Q(("state", "quarantined")),
                fields=["id"],
                name="payment_event_quarantined",
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentevent",
            constraint=models.UniqueConstraint(
                fields=("provider", "event_id"), name="payment_event_once"
            ),
        ),
    ]
