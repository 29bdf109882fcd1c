"""Several `manage.py bootstrap` at the same moment: what one makes, the others find."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from django.core.management import CommandError
from django.db import connections
from django.utils.text import slugify

from portal.management.commands import bootstrap
from portal.models import Membership, Organization, User
from tests.support.portal import statements

RUNS = 4


def run(name: str, email: str, meeting: Barrier | None = None) -> str:
    """The slug, or what the operator is told; runs that meet have all looked for the
    organization before any of them makes it."""
    options = {
        "organization": name,
        "email": email,
        "credits": 5,
        "password": None,
        "key_name": "default",
        "reference": None,
    }
    try:
        with statements.after_first(
            "bootstrapped_as", lambda: meeting and meeting.wait()
        ):
            return str(bootstrap.make(options)["organization"])
    except CommandError as refusal:
        return str(refusal)
    finally:
        connections.close_all()


def run_at_once(*runs: tuple[str, str], meeting: Barrier | None = None) -> list[str]:
    with ThreadPoolExecutor(len(runs)) as pool:
        return list(pool.map(lambda each: run(each[0], each[1], meeting), runs))


@pytest.fixture
def name() -> str:
    return f"Org {uuid4().hex}"


def test_the_same_for_one_person_is_made_once(committed_db: None, name: str) -> None:
    email = f"{uuid4().hex}@example.com"
    slugs = run_at_once(*[(name, email)] * RUNS)
    assert slugs == [slugify(name)] * RUNS
    organization = Organization.objects.get(name=name)
    assert organization.memberships.get().user.email == email
    assert organization.api_keys.count() == RUNS


def pair() -> Barrier:
    """Where two runs meet."""
    return Barrier(2, timeout=20)


@pytest.mark.postgres_only  # SQLite lets one transaction in at a time
def test_of_two_people_one_gets_the_name(committed_db: None, name: str) -> None:
    emails = [f"{uuid4().hex}@example.com" for _ in range(2)]
    answers = run_at_once(*[(name, email) for email in emails], meeting=pair())
    assert sorted("--join" in answer for answer in answers) == [False, True]
    membership = Membership.objects.get(organization__name=name)
    [refused] = set(emails) - {membership.user.email}
    assert not User.objects.filter(email=refused).exists()


@pytest.mark.postgres_only
def test_two_names_of_one_slug_get_one_each(committed_db: None, name: str) -> None:
    names = [f"{name} & Sons", f"{name}, Sons"]
    slugs = run_at_once(
        *[(each, f"{uuid4().hex}@example.com") for each in names], meeting=pair()
    )
    wanted = slugify(names[0])
    assert sorted(slugs) == [wanted, f"{wanted}-2"]
