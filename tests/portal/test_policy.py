"""Every operation × everybody: who lacks the right is refused, and nothing is written.

Operations are called directly, whatever a page shows. A new one belongs in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import DjangoDbBlocker

from portal.models import ApiKey, Membership, Organization, Role, User
from portal.operator import bounds, doubts
from portal.tenants import (
    audit,
    keys,
    members,
    organizations,
    tenancy,
)
from portal.tenants.errors import NotAllowed
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant
from tests.support.cast import (
    OPERATOR,
    actor_of,
    make_key,
    make_member,
    make_organization,
    make_user,
)
from tests.support.portal.bought import OF_BUYERS
from tests.support.portal.doubted import make_doubt
from tests.support.portal.keyed import OF_KEYS
from tests.support.portal.learned import make_lesson, make_pause
from tests.support.portal.limited import OF_BUDGETS
from tests.support.portal.paid_back import OF_PAYING_BACK
from tests.support.portal.rows import everything
from tests.support.portal.viewed import OF_VIEWS
from tests.support.services.database import undone

HOUR = timedelta(hours=1)
PEOPLE = ("stranger", *Role.values, "operator")


@dataclass
class Scene:
    """An organization with an owner who stays, and what is to be changed in it."""

    organization: Organization
    owner: User
    key: ApiKey
    doubt: UUID

    def member(self, role: Role) -> Membership:
        user = make_member(self.organization, f"new-{role}@example.com", role)
        return self.organization.memberships.get(user=user)

    def issue(self, actor: audit.Actor) -> None:
        holder = None if actor.user else self.owner.memberships.get()
        keys.issue(self.key.project, "new", actor=actor, holder=holder)


@pytest.fixture
def scene(organization: Organization, alice: User) -> Scene:
    key, _ = make_key(organization, alice)
    return Scene(organization, alice, key, UUID(make_doubt(key)[4:]))


Prepared = Callable[[audit.Actor], Any]


def add(role: Role) -> Callable[[Scene], Prepared]:
    def prepare(scene: Scene) -> Prepared:
        user = make_user("new@example.com")
        return lambda actor: members.add(scene.organization, user, role, actor=actor)

    return prepare


def change(before: Role, after: Role) -> Callable[[Scene], Prepared]:
    def prepare(scene: Scene) -> Prepared:
        member = scene.member(before)
        return lambda actor: members.change_role(member, after, actor=actor)

    return prepare


def remove(role: Role) -> Callable[[Scene], Prepared]:
    def prepare(scene: Scene) -> Prepared:
        member = scene.member(role)
        return lambda actor: members.remove(member, actor=actor)

    return prepare


def decide(make: Callable[..., Any], decision: Callable[..., Any]) -> Any:
    def prepare(scene: Scene) -> Prepared:
        chosen = make(scene.organization).id
        return lambda actor: decision(chosen, reason="seen", actor=actor)

    return prepare


def of_it(operation: Callable[..., Any], **more: Any) -> Callable[[Scene], Prepared]:
    def prepare(scene: Scene) -> Prepared:
        return lambda actor: operation(scene.organization, actor=actor, **more)

    return prepare


def suspended(operation: Callable[..., Any]) -> Callable[[Scene], Prepared]:
    def prepare(scene: Scene) -> Prepared:
        organizations.suspend(scene.organization, reason="unpaid", actor=OPERATOR)
        return lambda actor: operation(scene.organization, actor=actor)

    return prepare


OWNERS, ADMINS = {"owner", "operator"}, {"owner", "admin", "operator"}
OPERATIONS: dict[str, tuple[Callable[[Scene], Prepared], Collection[str]]] = {
    "issue a key": (
        lambda scene: lambda actor: scene.issue(actor),
        ADMINS | {"developer"},
    ),
    **{name: (prepare, ADMINS) for name, prepare in OF_KEYS.items()},
    "add a viewer": (add(Role.VIEWER), ADMINS),
    "add an owner": (add(Role.OWNER), OWNERS),
    "make an admin": (change(Role.VIEWER, Role.ADMIN), ADMINS),
    "make an owner": (change(Role.VIEWER, Role.OWNER), OWNERS),
    "unmake an owner": (change(Role.OWNER, Role.VIEWER), OWNERS),
    "remove a viewer": (remove(Role.VIEWER), ADMINS),
    "remove an owner": (remove(Role.OWNER), OWNERS),
    **{name: (prepare, ADMINS | more) for name, (prepare, more) in OF_BUDGETS.items()},
    "rename": (of_it(organizations.change, name="Rocket"), ADMINS),
    "set the time zone": (of_it(organizations.change, time_zone="Asia/Tokyo"), ADMINS),
    **OF_VIEWS,
    **OF_BUYERS,
    **OF_PAYING_BACK,
    "suspend": (of_it(organizations.suspend, reason="unpaid"), {"operator"}),
    "reopen": (suspended(organizations.reopen), {"operator"}),
    "make an organization": (
        lambda scene: (
            lambda actor: organizations.create("Second", owner=scene.owner, actor=actor)
        ),
        {"operator"},
    ),
    "settle a doubt": (
        lambda scene: (
            lambda actor: doubts.settle(scene.doubt, 1, reason="bill", actor=actor)
        ),
        {"operator"},
    ),
    "release a doubt": (
        lambda scene: (
            lambda actor: doubts.release(scene.doubt, reason="bill", actor=actor)
        ),
        {"operator"},
    ),
    "release a pause": (decide(make_pause, bounds.release), {"operator"}),
    "forget a lesson": (decide(make_lesson, bounds.forget), {"operator"}),
}


class World(NamedTuple):
    scene: Scene
    actors: dict[str, audit.Actor]  # of PEOPLE


def make_world() -> World:
    owner = make_user("owner@policy.example")
    organization = make_organization("Policy", owner)
    actors = {"operator": OPERATOR, "stranger": actor_of(make_user("s@policy.example"))}
    for role in Role:
        member = make_member(organization, f"{role}@people.policy.example", role)
        actors[role.value] = actor_of(member)
    key, _ = make_key(organization, owner)
    return World(Scene(organization, owner, key, UUID(make_doubt(key)[4:])), actors)


@pytest.fixture(scope="module")
def kept(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), undone():
        yield make_world()


@pytest.fixture
def world(kept: World) -> Iterator[World]:
    """What a test changes of it is undone."""
    with undone():
        yield deepcopy(kept)


@pytest.mark.once
@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_asks_the_policy(world: World, operation: str, who: str) -> None:
    prepare, allowed = OPERATIONS[operation]
    carry_out, actor = prepare(world.scene), world.actors[who]
    before = everything()
    if who in allowed:
        carry_out(actor)
        assert everything() != before
        return
    with pytest.raises(NotAllowed):
        carry_out(actor)
    assert everything() == before


@pytest.mark.parametrize(
    ("role", "may"),
    [
        *((Role.OWNER, True), (Role.ADMIN, True), (Role.DEVELOPER, True)),
        *((Role.BILLING, False), (Role.VIEWER, False)),
    ],
)
@pytest.mark.parametrize("way", ["rotate", "revoke"])
def test_ones_own_key_is_ones_own_while_the_role_sees_keys(
    organization: Organization, role: Role, may: bool, way: str
) -> None:
    """The role is the one of now: the key was made as a developer."""
    member = make_member(organization, "carol@example.com", Role.DEVELOPER)
    key, _ = make_key(organization, member)
    Membership.objects.filter(user=member).update(role=role)

    def carry_out() -> None:
        if way == "rotate":
            keys.rotate(key, HOUR, actor=actor_of(member))
        else:
            keys.revoke(key, actor=actor_of(member))

    before = everything()
    if may:
        carry_out()
        assert everything() != before
    else:
        with pytest.raises(NotAllowed):
            carry_out()
        assert everything() == before


def test_whoever_leaves_takes_their_keys_along_whatever_their_role(
    organization: Organization, bob: User
) -> None:
    key, _ = make_key(organization, bob)
    membership = organization.memberships.get(user=bob)
    membership.role = Role.VIEWER
    membership.save()
    members.remove(membership, actor=actor_of(bob))
    key.refresh_from_db()
    assert key.is_revoked


def test_an_owner_elsewhere_has_no_right_here(scene: Scene, mallory: User) -> None:
    before = everything()
    for carry_out in (
        lambda actor: keys.revoke(scene.key, actor=actor),
        lambda actor: organizations.change(
            scene.organization, name="Mine", actor=actor
        ),
    ):
        with pytest.raises(NotAllowed):
            carry_out(actor_of(mallory))
    assert everything() == before


def test_a_right_lost_while_a_page_was_opening_is_a_missing_page(
    organization: Organization, bob: User
) -> None:
    @tenancy.page(Permission.CREATE_KEYS)
    def page(request: HttpRequest, tenant: Tenant) -> HttpResponse:
        Membership.objects.filter(user=bob).update(role=Role.VIEWER)
        keys.issue(organization.projects.get(), "late", actor=actor_of(bob))
        raise AssertionError("the key was issued")

    request = RequestFactory().get("/")
    request.user = bob
    with pytest.raises(Http404):
        page(request, organization.slug)
    assert not ApiKey.objects.exists()


def test_buttons_are_for_those_who_may(client: Client, scene: Scene, bob: User) -> None:
    own, _ = make_key(scene.organization, bob)
    client.force_login(bob)
    listed = client.get("/o/acme/keys/").content.decode()
    assert str(scene.key.pk) not in listed
    revoke = f"/o/acme/keys/{own.pk}/revoke"
    assert revoke in client.get(f"/o/acme/keys/{own.pk}/").content.decode()
