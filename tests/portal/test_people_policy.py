"""Projects, members and service accounts: every operation × everybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from portal.models import (
    AuditEvent,
    Membership,
    Role,
    User,
)
from portal.tenants import (
    audit,
    heirs,
    invitations,
    keys,
    members,
    organizations,
    project_members,
    projects,
    service_accounts,
)
from portal.tenants.errors import HolderNotActive, NotAllowed, ProjectNotActive
from tests.support.cast import (
    OPERATOR,
    actor_of,
    make_key,
    make_member,
    make_organization,
    make_user,
)
from tests.support.portal.peopled import Scene, make_scene
from tests.support.services.database import undone

pytestmark = pytest.mark.once

PEOPLE = ("stranger", *Role.values, "operator")
ADMINS, OWNERS = {"owner", "admin", "operator"}, {"owner", "operator"}


@pytest.fixture(scope="module")
def kept(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    with django_db_blocker.unblock(), undone():
        alice = make_user("alice@example.com")
        yield make_scene(make_organization("Acme", alice), alice)


@pytest.fixture
def scene(kept: Scene) -> Iterator[Scene]:
    with undone():
        yield deepcopy(kept)


def invite(scene: Scene, role: Role, actor: audit.Actor) -> None:
    invitations.invite(scene.organization, "new@example.com", role, actor=actor)


Operation = Callable[[Scene, audit.Actor], Any]
# operation: how it is carried out, who may, and what the audit trail says of it
OPERATIONS: dict[str, tuple[Operation, set[str]]] = {
    "project.create": (
        lambda it, actor: projects.create(it.organization, "New", actor=actor),
        ADMINS,
    ),
    "project.rename": (
        lambda it, actor: projects.rename(it.project, "Find", actor=actor),
        ADMINS,
    ),
    "project.archive": (
        lambda it, actor: projects.archive(it.project, actor=actor),
        ADMINS,
    ),
    "project.restore": (
        lambda it, actor: projects.restore(it.archived, actor=actor),
        ADMINS,
    ),
    "service_account.create": (
        lambda it, actor: service_accounts.create(it.organization, "New", actor=actor),
        ADMINS,
    ),
    "service_account.rename": (
        lambda it, actor: service_accounts.rename(it.robot, "CD", actor=actor),
        ADMINS,
    ),
    "service_account.disable": (
        lambda it, actor: service_accounts.disable(it.robot, actor=actor),
        ADMINS,
    ),
    "service_account.enable": (
        lambda it, actor: service_accounts.enable(it.disabled_robot, actor=actor),
        ADMINS,
    ),
    "member.disable": (
        lambda it, actor: members.disable(it.viewer, actor=actor),
        ADMINS,
    ),
    "member.enable": (
        lambda it, actor: members.enable(it.disabled, actor=actor),
        ADMINS,
    ),
    "member.disable an owner": (
        lambda it, actor: members.disable(it.second_owner, actor=actor),
        OWNERS,
    ),
    "member.limit": (
        lambda it, actor: project_members.limit(it.viewer, [it.project], actor=actor),
        ADMINS,
    ),
    "member.limit an owner": (
        lambda it, actor: project_members.limit(it.second_owner, [], actor=actor),
        OWNERS,
    ),
    "project.set_owner": (
        lambda it, actor: projects.set_owner(it.project, it.second_owner, actor=actor),
        ADMINS,
    ),
    "invitation.create": (
        lambda it, actor: invite(it, Role.ADMIN, actor),
        ADMINS,
    ),
    "invitation.create for an owner": (
        lambda it, actor: invite(it, Role.OWNER, actor),
        OWNERS,
    ),
    "invitation.renew": (
        lambda it, actor: invitations.renew(it.invitation, actor=actor),
        ADMINS,
    ),
    "invitation.revoke": (
        lambda it, actor: invitations.revoke(it.invitation, actor=actor),
        ADMINS,
    ),
    "api_key.hand_over": (
        lambda it, actor: heirs.hand_over(it.key, it.robot, actor=actor),
        ADMINS,
    ),
    "organization.change_slug": (
        lambda it, actor: organizations.change_slug(
            it.organization, "rocket", actor=actor
        ),
        ADMINS,
    ),
    "api_key.create for a service account": (
        lambda it, actor: keys.issue(it.project, "k", actor=actor, holder=it.robot),
        ADMINS,
    ),
    "api_key.create for another member": (
        lambda it, actor: keys.issue(it.project, "k", actor=actor, holder=it.viewer),
        {"operator"},
    ),
}


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_who_may_is_written_down_and_who_may_not_changes_nothing(
    scene: Scene, operation: str, who: str
) -> None:
    carry_out, allowed = OPERATIONS[operation]
    actor = OPERATOR
    if who == "stranger":
        actor = actor_of(make_user("stranger@example.com"))
    elif who != "operator":
        user = make_member(scene.organization, f"{who}@example.com", Role(who))
        actor = actor_of(user)
    before = AuditEvent.objects.count()
    if who not in allowed:
        with pytest.raises(NotAllowed):
            carry_out(scene, actor)
        assert AuditEvent.objects.count() == before
        return
    carry_out(scene, actor)
    event = AuditEvent.objects.order_by("id").last()
    assert event is not None
    assert AuditEvent.objects.count() == before + 1
    assert (event.action, event.actor) == (operation.split()[0], actor.user)


@pytest.mark.parametrize(
    "again",
    [
        lambda it: projects.archive(it.archived, actor=OPERATOR),
        lambda it: projects.restore(it.project, actor=OPERATOR),
        lambda it: projects.rename(it.project, "Search", actor=OPERATOR),
        lambda it: service_accounts.disable(it.disabled_robot, actor=OPERATOR),
        lambda it: service_accounts.enable(it.robot, actor=OPERATOR),
        lambda it: service_accounts.rename(it.robot, "CI", actor=OPERATOR),
        lambda it: members.disable(it.disabled, actor=OPERATOR),
        lambda it: members.enable(it.viewer, actor=OPERATOR),
    ],
)
def test_what_is_so_already_is_not_written_down_again(
    scene: Scene, again: Callable[[Scene], None]
) -> None:
    before = AuditEvent.objects.count()
    again(scene)
    assert AuditEvent.objects.count() == before


def test_a_disabled_member_may_nothing(scene: Scene) -> None:
    members.change_role(scene.disabled, Role.ADMIN, actor=OPERATOR)
    with pytest.raises(NotAllowed):
        projects.create(scene.organization, "New", actor=actor_of(scene.disabled.user))


def test_a_key_is_of_its_own_organization_only(scene: Scene, mallory: User) -> None:
    elsewhere = mallory.memberships.get()
    theirs = service_accounts.create(elsewhere.organization, "CI", actor=OPERATOR)
    for holder in (elsewhere, theirs):
        with pytest.raises(NotAllowed):
            keys.issue(scene.project, "k", actor=OPERATOR, holder=holder)


def test_no_key_is_made_for_what_is_archived_or_disabled(scene: Scene) -> None:
    for project, holder, refusal in (
        (scene.archived, scene.robot, ProjectNotActive),
        (scene.project, scene.disabled_robot, HolderNotActive),
        (scene.project, scene.disabled, HolderNotActive),
    ):
        with pytest.raises(refusal):
            keys.issue(project, "k", actor=OPERATOR, holder=holder)


def test_a_service_accounts_key_is_nobodys_own(scene: Scene) -> None:
    """Whoever made it as an admin and is a developer now may not touch it."""
    maker = make_member(scene.organization, "adam@example.com", Role.ADMIN)
    key, _ = keys.issue(
        scene.project, "deploy", actor=actor_of(maker), holder=scene.robot
    )
    Membership.objects.filter(user=maker).update(role=Role.DEVELOPER)
    with pytest.raises(NotAllowed):
        keys.revoke(key, actor=actor_of(maker))


def test_it_stays_when_its_maker_leaves(scene: Scene) -> None:
    organization = scene.organization
    maker = make_member(organization, "adam@example.com", Role.ADMIN)
    own, _ = make_key(organization, maker)
    key, secret = keys.issue(
        scene.project, "deploy", actor=actor_of(maker), holder=scene.robot
    )
    members.remove(organization.memberships.get(user=maker), actor=OPERATOR)

    own.refresh_from_db()
    assert own.is_revoked
    assert keys.verify(secret).key_id == key.id


def test_a_rotated_key_keeps_its_project_and_holder(scene: Scene) -> None:
    for holder in (scene.robot, scene.viewer):
        key, _ = keys.issue(scene.project, "k", actor=OPERATOR, holder=holder)
        rotated, _ = keys.rotate(key, timedelta(hours=1), actor=OPERATOR)
        assert rotated.spender.project_id == scene.project.unit_id
        assert rotated.spender.holder_id == holder.unit_id
        assert rotated.service_account == key.service_account
