"""Projects, members and service accounts in the ledger: open or closed, and by name."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from billing.models import Unit
from billing.models.account import UnitKind
from billing.reports.calls import find_call
from portal.models import FormerMember, Organization, Project, Role, User
from portal.tenants import keys, members, projects, service_accounts
from portal.tenants.errors import (
    ArchivedProject,
    DefaultProject,
    DisabledHolder,
    InvalidName,
    LastOwner,
    NameTaken,
    NotAllowed,
    RevokedKey,
)
from tests.support.cast import OPERATOR, actor_of, make_call, make_key, make_member


def test_an_organization_is_made_with_its_units(
    organization: Organization, alice: User
) -> None:
    units = Unit.objects.filter(account=organization.account)
    assert set(units.values_list("kind", "label", "is_open")) == {
        (UnitKind.PROJECT, "Default", True),
        (UnitKind.MEMBER, "alice@example.com", True),
    }
    key, _ = make_key(organization, alice)
    assert key.spender.project == projects.default_of(organization).unit
    assert key.spender.holder == organization.memberships.get().unit


def test_an_archived_projects_keys_are_refused_until_it_is_restored(
    organization: Organization, alice: User
) -> None:
    project = projects.create(organization, "Search", actor=actor_of(alice))
    key, secret = keys.issue(project, "k", actor=actor_of(alice))
    projects.archive(project, actor=actor_of(alice))
    with pytest.raises(ArchivedProject):
        keys.verify(secret)

    projects.restore(project, actor=actor_of(alice))
    assert keys.verify(secret).key_id == key.id


def test_a_disabled_members_keys_are_refused_until_they_are_enabled(
    organization: Organization, alice: User, bob: User
) -> None:
    key, secret = make_key(organization, bob)
    membership = organization.memberships.get(user=bob)
    members.disable(membership, actor=actor_of(alice))
    with pytest.raises(DisabledHolder):
        keys.verify(secret)

    members.enable(membership, actor=actor_of(alice))
    assert keys.verify(secret).key_id == key.id


def test_a_disabled_member_sees_no_page_and_no_organization(
    organization: Organization, alice: User, bob: User, client: Client
) -> None:
    client.force_login(bob)
    path = client.get("/", follow=True).request["PATH_INFO"]
    assert client.get(path).status_code == 200

    members.disable(organization.memberships.get(user=bob), actor=actor_of(alice))
    assert client.get(path).status_code == 404
    assert organization.name not in client.get("/", follow=True).content.decode()


def test_the_last_owner_cannot_be_disabled_and_a_disabled_one_does_not_count(
    organization: Organization, alice: User
) -> None:
    own = organization.memberships.get(user=alice)
    with pytest.raises(LastOwner):
        members.disable(own, actor=actor_of(alice))
    second = make_member(organization, "olga@example.com", Role.OWNER)
    members.disable(organization.memberships.get(user=second), actor=actor_of(alice))
    for leave in (members.remove, members.disable):
        with pytest.raises(LastOwner):
            leave(own, actor=actor_of(alice))


def test_who_comes_back_has_their_unit_again_and_none_of_their_keys(
    organization: Organization, alice: User, bob: User
) -> None:
    """What limits them, and what they spent this month, is the unit's."""
    _, secret = make_key(organization, bob)
    unit = organization.memberships.get(user=bob).unit
    members.remove(organization.memberships.get(user=bob), actor=actor_of(alice))
    unit.refresh_from_db()
    assert not unit.is_open
    assert FormerMember.objects.get().user == bob

    User.objects.filter(pk=bob.pk).update(email="robert@example.com")
    bob.refresh_from_db()
    back = members.add(organization, bob, Role.VIEWER, actor=actor_of(alice))
    assert back.unit == unit
    unit.refresh_from_db()
    assert (unit.is_open, unit.label) == (True, "robert@example.com")
    assert not FormerMember.objects.exists()
    with pytest.raises(RevokedKey):
        keys.verify(secret)


def test_who_was_removed_twice_comes_back_twice(
    organization: Organization, alice: User, bob: User
) -> None:
    unit = organization.memberships.get(user=bob).unit
    for _ in range(2):
        membership = organization.memberships.get(user=bob)
        members.remove(membership, actor=actor_of(alice))
        members.add(organization, bob, Role.VIEWER, actor=actor_of(alice))
    assert organization.memberships.get(user=bob).unit == unit


def test_a_new_name_is_the_units_and_earlier_calls_keep_the_old_one(
    organization: Organization, alice: User, client: Client
) -> None:
    project = projects.create(organization, "Search", actor=actor_of(alice))
    robot = service_accounts.create(organization, "CI", actor=actor_of(alice))
    key, _ = keys.issue(project, "k", actor=actor_of(alice), holder=robot)
    before = make_call(key)
    projects.rename(project, "Find", actor=actor_of(alice))
    service_accounts.rename(robot, "CD", actor=actor_of(alice))
    after = make_call(key)

    shown = [
        find_call(organization.account_id, UUID(hold_id)) for hold_id in (before, after)
    ]
    assert [(call.project_label, call.holder_label) for call in shown if call] == [
        ("Search", "CI"),
        ("Find", "CD"),
    ]
    assert (project.slug, Project.objects.get(pk=project.pk).slug) == ("search",) * 2


def test_names_are_clean_and_nobody_elses(
    organization: Organization, alice: User
) -> None:
    actor = actor_of(alice)
    first = projects.create(organization, "Search", actor=actor)
    robot = service_accounts.create(organization, "CI", actor=actor)
    other = projects.create(organization, "search!", actor=actor)
    assert other.slug == "search-2"
    for name, refusal in (("", InvalidName), ("a\u202eb", InvalidName)):
        with pytest.raises(refusal):
            projects.create(organization, name, actor=actor)
        with pytest.raises(refusal):
            projects.rename(first, name, actor=actor)
        with pytest.raises(refusal):
            service_accounts.create(organization, name, actor=actor)
        with pytest.raises(refusal):
            service_accounts.rename(robot, name, actor=actor)
    with pytest.raises(NameTaken):
        projects.create(organization, " Search ", actor=actor)
    with pytest.raises(NameTaken):
        projects.rename(other, "Search", actor=actor)
    with pytest.raises(NameTaken):
        service_accounts.create(organization, "CI", actor=actor)


def test_the_default_project_stays(organization: Organization, alice: User) -> None:
    project = projects.default_of(organization)
    with pytest.raises(DefaultProject):
        projects.archive(project, actor=actor_of(alice))
    with (
        pytest.raises(IntegrityError, match="default_is_not_archived"),
        transaction.atomic(),
    ):
        Project.objects.filter(pk=project.pk).update(archived_at=project.created_at)


def test_the_operator_names_who_holds_a_key(organization: Organization) -> None:
    with pytest.raises(NotAllowed, match="names who"):
        keys.issue(projects.default_of(organization), "k", actor=OPERATOR)
