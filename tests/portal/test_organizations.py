"""Organizations: all of one is made, or nothing; every change names its actor."""

from __future__ import annotations

from threading import Barrier, Thread
from uuid import uuid4

import pytest
from django.db import connections

from billing.models import Account
from portal.models import AuditEvent, Organization, Role, User
from portal.tenants import organizations
from portal.tenants.errors import InvalidName
from tests.support.cast import OPERATOR, actor_of, make_organization, make_user


def test_a_new_organization_has_account_default_project_owner_and_audit_row(
    alice: User,
) -> None:
    made = organizations.create("Rocket GmbH", owner=alice, actor=OPERATOR)
    assert made.slug == "rocket-gmbh"
    assert made.account.balance_micros == 0
    assert made.projects.get().is_default
    assert made.memberships.get().role == Role.OWNER
    event = AuditEvent.objects.get(organization=made)
    assert (event.action, event.actor_label) == ("organization.create", "test")


@pytest.mark.parametrize(
    ("name", "slugs"),
    [
        ("Acme & Co", ["acme-co", "acme-co-2", "acme-co-3"]),
        ("株式会社", ["organization", "organization-2", "organization-3"]),
        ("x" * 100, ["x" * 60, "x" * 50 + "-2", "x" * 50 + "-3"]),
        ("--", ["organization", "organization-2", "organization-3"]),
    ],
)
def test_same_names_get_slugs_of_their_own(
    alice: User, name: str, slugs: list[str]
) -> None:
    made = [make_organization(name, alice, credits=0).slug for _ in slugs]
    assert made == slugs


def test_a_refused_name_leaves_nothing(alice: User) -> None:
    before = Account.objects.count()
    with pytest.raises(InvalidName):
        organizations.create("a\nb", owner=alice, actor=OPERATOR)
    assert Account.objects.count() == before
    assert not Organization.objects.exists()


def test_a_change_is_written_down_with_what_was_before(
    organization: Organization, alice: User
) -> None:
    assert organizations.change(
        organization, name=" Rocket ", stores_replies=True, actor=actor_of(alice)
    )
    organization.refresh_from_db()
    assert (organization.name, organization.slug) == ("Rocket", "acme")
    event = AuditEvent.objects.get(action="organization.change")
    assert (event.actor, event.organization) == (alice, organization)
    # What stayed as it was is not in it.
    assert event.detail == {"before": {"name": "Acme"}, "after": {"name": "Rocket"}}


def test_a_change_of_nothing_is_none(organization: Organization, alice: User) -> None:
    actor = actor_of(alice)
    assert not organizations.change(organization, actor=actor)
    assert not organizations.change(organization, name="Acme ", actor=actor)
    with pytest.raises(InvalidName):
        organizations.change(organization, name="a\nb", actor=actor)
    assert not AuditEvent.objects.filter(action="organization.change").exists()


def test_suspending_closes_the_account_and_reopening_opens_it(
    organization: Organization,
) -> None:
    organizations.suspend(organization, reason="unpaid", actor=OPERATOR)
    assert is_open(organization) is False
    organizations.reopen(organization, actor=OPERATOR)
    assert is_open(organization) is True
    event = AuditEvent.objects.get(action="organization.suspend")
    assert event.detail == {"reason": "unpaid"}
    assert AuditEvent.objects.filter(action="organization.reopen").exists()


def is_open(organization: Organization) -> bool:
    return Account.objects.get(pk=organization.account_id).is_open


def test_of_the_same_name_at_once_all_are_made(committed_db: None) -> None:
    """As newcomers sign up: the slug that was free is taken by another meanwhile."""
    name = f"Same {uuid4().hex[:8]}"
    people = [make_user(f"{uuid4().hex}@example.com") for _ in range(4)]
    start, failed = Barrier(len(people), timeout=30), []

    def make(owner: User) -> None:
        start.wait()
        try:
            organizations.create(name, owner=owner, actor=OPERATOR)
        except Exception as error:  # noqa: BLE001  it is told below
            failed.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=make, args=[owner]) for owner in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(set(Organization.objects.filter(name=name).values_list("slug"))) == 4
