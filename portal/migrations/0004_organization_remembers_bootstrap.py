"""The name by which bootstrap finds an organization again, instead of its slug."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models


def remember(apps: Any, schema_editor: Any) -> None:
    """What bootstrap made is known by the first name it had: no other run of it could
    have made one of the same name, because that would have had the same slug."""
    events = apps.get_model("portal", "AuditEvent").objects.order_by("pk")
    made = events.filter(
        action="organization.create", actor_label="manage.py bootstrap"
    )
    organizations = apps.get_model("portal", "Organization").objects
    for organization in organizations.filter(pk__in=made.values("organization_id")):
        changes = events.filter(
            action="organization.change", organization_id=organization.pk
        )
        before = [event.detail.get("before", {}) for event in changes]
        names = [names["name"] for names in before if "name" in names]
        first = (names or [organization.name])[0]
        if not organizations.filter(bootstrapped_as=first).exists():
            organizations.filter(pk=organization.pk).update(bootstrapped_as=first)


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0003_normalize_emails"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="bootstrapped_as",
            field=models.CharField(blank=True, max_length=100, null=True, unique=True),
        ),
        migrations.RunPython(remember, migrations.RunPython.noop),
    ]
