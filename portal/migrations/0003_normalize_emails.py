"""Stored addresses get the one form by which users are found from now on."""

from __future__ import annotations

import unicodedata
from typing import Any

from django.db import migrations


def one_form(email: str) -> str:
    text = unicodedata.normalize("NFKC", email).strip().lower()
    return unicodedata.normalize("NFKC", text)


def normalize(apps: Any, schema_editor: Any) -> None:
    """Where two users share an address, both stay as they are, for the operator."""
    users = apps.get_model("portal", "User").objects
    for pk, email in users.values_list("pk", "email"):
        wanted = one_form(email)
        if wanted != email and not users.filter(email=wanted).exists():
            users.filter(pk=pk).update(email=wanted)


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0002_organization_stores_replies"),
    ]

    operations = [
        migrations.RunPython(normalize, migrations.RunPython.noop),
    ]
