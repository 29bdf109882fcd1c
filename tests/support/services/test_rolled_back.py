"""Which database a test is given: that of its kind."""

from __future__ import annotations

from uuid import uuid4

from django.db import connection

from portal.models import Organization, User
from tests.support.cast import make_organization, make_user
from tests.support.services.rolled_back import SUFFIX


def test_who_commits_shares_the_database_of_other_processes(
    committed_db: None, database_url: str
) -> None:
    name = uuid4().hex
    make_organization(name, make_user(f"{name}@example.com"), credits=0)
    connection.ensure_connection()
    in_use = connection.get_connection_params()
    assert database_url.partition("?")[0].endswith(
        str(in_use.get("dbname") or in_use["database"])
    )
    assert Organization.objects.filter(name=name).exists()


def test_who_rolls_back_finds_nothing_that_anybody_has_committed(db: None) -> None:
    assert str(connection.settings_dict["NAME"]).endswith(SUFFIX)
    assert not Organization.objects.exists()
    assert not User.objects.exists()


def test_nor_does_the_next_one_find_anything(organization: Organization) -> None:
    assert Organization.objects.get() == organization
