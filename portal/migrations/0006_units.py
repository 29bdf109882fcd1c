"""Projects, members and service accounts have a face in the ledger: a unit each."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def give_units(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """To those there are, and to the keys: a member's key is the one they made."""
    unit_model = apps.get_model("billing", "Unit")
    key_model = apps.get_model("portal", "ApiKey")
    spender_model = apps.get_model("billing", "Spender")
    for project in apps.get_model("portal", "Project").objects.select_related(
        "organization"
    ):
        project.unit = unit_model.objects.create(
            account_id=project.organization.account_id,
            kind="project",
            label=project.name,
        )
        project.save(update_fields=["unit"])
        keys = key_model.objects.filter(project=project).values("spender_id")
        spender_model.objects.filter(id__in=keys).update(project_id=project.unit_id)
    for member in apps.get_model("portal", "Membership").objects.select_related(
        "organization", "user"
    ):
        member.unit = unit_model.objects.create(
            account_id=member.organization.account_id,
            kind="member",
            label=member.user.email,
        )
        member.save(update_fields=["unit"])
        keys = key_model.objects.filter(
            organization_id=member.organization_id, created_by_id=member.user_id
        ).values("spender_id")
        spender_model.objects.filter(id__in=keys).update(holder_id=member.unit_id)
    if editor.connection.vendor == "postgresql":
        # Checks that wait for the commit would forbid to alter the tables.
        editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def unit(*, is_given: bool) -> models.Field:  # type: ignore[type-arg]
    return models.OneToOneField(
        null=not is_given,
        on_delete=django.db.models.deletion.PROTECT,
        to="billing.unit",
    )


def number() -> tuple[str, models.Field]:  # type: ignore[type-arg]
    return (
        "id",
        models.BigAutoField(
            auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
        ),
    )


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0012_usage_names"),
        ("portal", "0005_scheduled_task"),
    ]

    operations = [
        migrations.AddField("project", "unit", unit(is_given=False)),
        migrations.AddField("membership", "unit", unit(is_given=False)),
        migrations.RunPython(give_units, migrations.RunPython.noop),
        migrations.AlterField("project", "unit", unit(is_given=True)),
        migrations.AlterField("membership", "unit", unit(is_given=True)),
        migrations.AddField(
            "membership", "disabled_at", models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField(
            "project", "archived_at", models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("is_default", False),
                    ("archived_at__isnull", True),
                    _connector="OR",
                ),
                name="project_default_is_not_archived",
            ),
        ),
        migrations.CreateModel(
            name="FormerMember",
            fields=[
                number(),
                ("removed_at", models.DateTimeField(auto_now_add=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="former_members",
                        to="portal.organization",
                    ),
                ),
                ("unit", unit(is_given=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "portal_formermember",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "user"), name="formermember_once_each"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ServiceAccount",
            fields=[
                number(),
                ("name", models.CharField(max_length=100)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("disabled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="service_accounts",
                        to="portal.organization",
                    ),
                ),
                ("unit", unit(is_given=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "portal_serviceaccount",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "name"),
                        name="serviceaccount_name_once_each",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="apikey",
            name="service_account",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="api_keys",
                to="portal.serviceaccount",
            ),
        ),
    ]
