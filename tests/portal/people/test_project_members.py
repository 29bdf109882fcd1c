"""Which projects a member may use, and what follows: one policy for all that asks.

Costs 1 s.
"""

from __future__ import annotations

import pytest
from django.test import Client

from portal.models import AuditEvent, Membership, Organization, Project, Role, User
from portal.tenants import keys, members, policy, project_members, projects
from portal.tenants.errors import (
    InvalidName,
    NameTaken,
    NotAllowed,
    UnfitHeir,
    WorksEverywhere,
)
from tests.support.cast import OPERATOR, actor_of, make_key, make_member

pytestmark = pytest.mark.once


@pytest.fixture
def search(organization: Organization) -> Project:
    return projects.create(organization, "Search", actor=OPERATOR)


@pytest.fixture
def bobs(organization: Organization, bob: User) -> Membership:
    return organization.memberships.get(user=bob)


def names_of(membership: Membership) -> set[str]:
    membership.refresh_from_db()
    return set(policy.projects_of(membership).values_list("name", flat=True))


def test_who_is_not_limited_uses_all_and_future_ones(
    organization: Organization, search: Project, bob: User, bobs: Membership
) -> None:
    assert names_of(bobs) == {"Default", "Search"}
    later = projects.create(organization, "Later", actor=OPERATOR)
    keys.issue(later, "k", actor=actor_of(bob))


def test_a_limited_developer_makes_keys_only_where_they_are_named(
    organization: Organization, search: Project, bob: User, bobs: Membership
) -> None:
    default = projects.default_of(organization)
    project_members.limit(bobs, [search], actor=OPERATOR)
    assert names_of(bobs) == {"Search"}
    keys.issue(search, "k", actor=actor_of(bob))
    with pytest.raises(NotAllowed):
        keys.issue(default, "k", actor=actor_of(bob))
    project_members.join(default, bobs, actor=OPERATOR)
    keys.issue(default, "k", actor=actor_of(bob))
    project_members.limit(bobs, [], actor=OPERATOR)
    assert names_of(bobs) == set()
    for project in (search, default):
        with pytest.raises(NotAllowed):
            keys.issue(project, "k", actor=actor_of(bob))
    project_members.limit(bobs, None, actor=OPERATOR)
    assert names_of(bobs) == {"Default", "Search"}


def test_whoever_manages_projects_uses_all_of_them_whatever_is_set(
    search: Project, bob: User, bobs: Membership
) -> None:
    members.change_role(bobs, Role.ADMIN, actor=OPERATOR)
    project_members.limit(bobs, [], actor=OPERATOR)
    keys.issue(search, "k", actor=actor_of(bob))
    members.change_role(bobs, Role.DEVELOPER, actor=OPERATOR)
    with pytest.raises(NotAllowed):
        keys.issue(search, "k", actor=actor_of(bob))


def test_the_pages_of_a_limited_developer_show_their_projects_only(
    client: Client,
    organization: Organization,
    search: Project,
    bob: User,
    bobs: Membership,
) -> None:
    key, _ = make_key(organization, bob, "default's")
    # Named by an admin who knows nothing of it: the key stays bob's, out of sight.
    Membership.objects.filter(pk=bobs.pk).update(is_limited=True)
    project_members.join(search, bobs, actor=OPERATOR)
    client.force_login(bob)
    assert "default&#x27;s" not in client.get("/o/acme/keys/").content.decode()
    assert client.get(f"/o/acme/keys/{key.pk}/revoke").status_code == 404
    with pytest.raises(NotAllowed):
        keys.revoke(key, actor=actor_of(bob))
    new = client.get("/o/acme/keys/new").content.decode()
    assert "Search" in new
    assert "Default" not in new


def test_nobody_limits_who_they_may_not_change(
    organization: Organization, search: Project, alice: User, bobs: Membership
) -> None:
    admin = make_member(organization, "adam@example.com", Role.ADMIN)
    owner = organization.memberships.get(user=alice)
    for actor in (bobs.user, make_member(organization, "v@example.com", Role.VIEWER)):
        with pytest.raises(NotAllowed):
            project_members.limit(bobs, [search], actor=actor_of(actor))
    with pytest.raises(NotAllowed):
        project_members.limit(owner, [search], actor=actor_of(admin))
    assert project_members.limit(bobs, [search], actor=actor_of(admin))


def test_a_foreign_project_limits_nobody(bobs: Membership, mallory: User) -> None:
    foreign = mallory.memberships.get().organization.projects.get()
    with pytest.raises(NotAllowed):
        project_members.limit(bobs, [foreign], actor=OPERATOR)
    assert not bobs.named_projects.exists()


def test_what_is_so_already_is_not_written_down_again(
    search: Project, bobs: Membership
) -> None:
    assert not project_members.limit(bobs, None, actor=OPERATOR)
    assert not project_members.join(search, bobs, actor=OPERATOR)
    with pytest.raises(WorksEverywhere):
        project_members.leave(search, bobs, actor=OPERATOR)
    assert project_members.limit(bobs, [search], actor=OPERATOR)
    assert not project_members.limit(bobs, [search], actor=OPERATOR)
    assert project_members.leave(search, bobs, actor=OPERATOR)
    assert not project_members.leave(search, bobs, actor=OPERATOR)
    details = AuditEvent.objects.filter(action="member.limit").order_by("id")
    assert [(event.detail["before"], event.detail["after"]) for event in details] == [
        ({"projects": "all"}, {"projects": ["search"]}),
        ({"projects": ["search"]}, {"projects": []}),
    ]


def test_a_projects_owner_can_hold_its_keys(
    organization: Organization, search: Project, bobs: Membership, mallory: User
) -> None:
    viewer = make_member(organization, "v@example.com", Role.VIEWER)
    for unfit in (
        organization.memberships.get(user=viewer),
        mallory.memberships.get(),
    ):
        with pytest.raises(UnfitHeir):
            projects.set_owner(search, unfit, actor=OPERATOR)
    projects.set_owner(search, bobs, actor=OPERATOR)
    projects.set_owner(search, bobs, actor=OPERATOR)
    assert AuditEvent.objects.filter(action="project.set_owner").count() == 1
    members.remove(bobs, actor=OPERATOR)
    search.refresh_from_db()
    assert search.owner is None


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "a\u202eb", "x" * 10_000])
def test_a_name_that_cannot_be_shown_is_refused(
    organization: Organization, search: Project, name: str
) -> None:
    with pytest.raises(InvalidName):
        projects.create(organization, name, actor=OPERATOR)
    with pytest.raises(InvalidName):
        projects.rename(search, name, actor=OPERATOR)


def test_two_projects_of_one_name_are_refused(
    organization: Organization, search: Project
) -> None:
    with pytest.raises(NameTaken):
        projects.create(organization, " Search ", actor=OPERATOR)
    with pytest.raises(NameTaken):
        projects.rename(search, "Default", actor=OPERATOR)


def test_the_search_finds_a_limited_developer_their_projects_only(
    client: Client, search: Project, bobs: Membership
) -> None:
    project_members.limit(bobs, [search], actor=OPERATOR)
    client.force_login(bobs.user)
    found = client.get("/o/acme/search?q=e&part=1").content.decode()
    assert f"/projects/{search.pk}/" in found
    assert "Default" not in found
