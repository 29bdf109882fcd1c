"""Usage remembers who called, as everything was called then; sums of 15 minutes."""

from __future__ import annotations

import django.db.models.deletion
import django.db.models.functions.comparison
from django.db import migrations, models

from billing.migrations import _guards


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0011_units"),
    ]

    operations = [
        _guards.lift(),
        migrations.RemoveConstraint(
            model_name="usagerollup",
            name="usagerollup_one_per_hour_and_group",
        ),
        migrations.RemoveIndex(
            model_name="usagerollup",
            name="usagerollup_borne",
        ),
        migrations.RenameField(
            model_name="usagerollup",
            old_name="hour",
            new_name="starts_at",
        ),
        migrations.AddField(
            model_name="correction",
            name="client",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="correction",
            name="holder",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.unit",
            ),
        ),
        migrations.AddField(
            model_name="correction",
            name="project",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.unit",
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="client",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="hold",
            name="client_version",
            field=models.CharField(blank=True, max_length=32),
        ),
        migrations.AddField(
            model_name="hold",
            name="holder",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.unit",
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="holder_label",
            field=models.CharField(blank=True, max_length=254),
        ),
        migrations.AddField(
            model_name="hold",
            name="project",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.unit",
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="project_label",
            field=models.CharField(blank=True, max_length=254),
        ),
        migrations.AddField(
            model_name="hold",
            name="session",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="hold",
            name="spender_label",
            field=models.CharField(blank=True, max_length=254),
        ),
        migrations.AddField(
            model_name="usagerecord",
            name="client",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="usagerecord",
            name="client_version",
            field=models.CharField(blank=True, max_length=32),
        ),
        migrations.AddField(
            model_name="usagerecord",
            name="holder",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.unit",
            ),
        ),
        migrations.AddField(
            model_name="usagerecord",
            name="holder_label",
            field=models.CharField(blank=True, max_length=254),
        ),
        migrations.AddField(
            model_name="usagerecord",
            name="project",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.unit",
            ),
        ),
        migrations.AddField(
            model_name="usagerecord",
            name="project_label",
            field=models.CharField(blank=True, max_length=254),
        ),
        migrations.AddField(
            model_name="usagerecord",
            name="session",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="usagerecord",
            name="spender_label",
            field=models.CharField(blank=True, max_length=254),
        ),
        migrations.AddField(
            model_name="usagerollup",
            name="client",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="usagerollup",
            name="holder",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.unit",
            ),
        ),
        migrations.AddField(
            model_name="usagerollup",
            name="project",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.unit",
            ),
        ),
        migrations.AlterField(
            model_name="unit",
            name="label",
            field=models.CharField(max_length=254),
        ),
        migrations.AddIndex(
            model_name="usagerollup",
            index=models.Index(
                fields=["spender", "starts_at"], name="usagerollup_spender"
            ),
        ),
        migrations.AddIndex(
            model_name="usagerollup",
            index=models.Index(
                condition=models.Q(("absorbed_micros__gt", 0)),
                fields=["starts_at"],
                name="usagerollup_borne",
            ),
        ),
        migrations.AddConstraint(
            model_name="usagerollup",
            constraint=models.UniqueConstraint(
                models.F("account"),
                models.F("starts_at"),
                models.F("spender"),
                django.db.models.functions.comparison.Coalesce("project_id", 0),
                django.db.models.functions.comparison.Coalesce("holder_id", 0),
                models.F("operation"),
                models.F("model"),
                models.F("client"),
                models.F("basis"),
                name="usagerollup_one_per_quarter_and_group",
            ),
        ),
        _guards.set_again(),
    ]
