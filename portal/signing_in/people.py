"""What a person changes about themselves."""

from __future__ import annotations

from django.db import transaction

from portal.models import User
from portal.tenants import audit


@transaction.atomic
def rename(user: User, name: str, *, actor: audit.Actor) -> bool:
    """Call the person otherwise; False when nothing changed."""
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if locked.name == name:
        return False
    before, locked.name = locked.name, name
    locked.save(update_fields=["name"])
    audit.record_of_person(
        "user.rename", locked, actor=actor, before=before, after=name
    )
    return True
