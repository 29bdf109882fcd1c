"""The migration that gives units to what was there before."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection

from billing.models import Spender, Unit
from portal.models import Membership, Organization, Project, User
from portal.tenants import keys
from tests.support.cast import make_key

migration = import_module("portal.migrations.0006_units")


@pytest.mark.django_db
def test_what_was_there_before_gets_units_and_so_do_its_keys(
    organization: Organization, bob: User
) -> None:
    """Run again over rows that have one: each gets a new one, as if it had none."""
    key, secret = make_key(organization, bob)
    before = set(Unit.objects.values_list("id", flat=True))
    Spender.objects.update(project=None, holder=None)
    with connection.cursor() as cursor:  # SQLite's editor wants no transaction
        editor = SimpleNamespace(connection=connection, execute=cursor.execute)
        migration.give_units(apps, editor)

    project, member = Project.objects.get(), Membership.objects.get(user=bob)
    spender = Spender.objects.get(id=key.spender_id)
    assert (spender.project, spender.holder) == (project.unit, member.unit)
    assert {project.unit_id, member.unit_id}.isdisjoint(before)
    assert (project.unit.label, member.unit.label) == ("Default", "bob@example.com")
    assert project.unit.account == organization.account
    assert keys.verify(secret).key_id == key.id
