"""Members: roles change under a lock, and an owner always remains."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest
from django.db import connections

from portal.models import AuditEvent, Membership, Organization, Role, User
from portal.tenants import audit, keys, members
from portal.tenants.errors import AlreadyMember, LastOwner, NotAllowed, RevokedKey
from tests.support.cast import (
    actor_of,
    make_key,
    make_member,
    make_organization,
    make_user,
)


def membership_of(user: User, organization: Organization) -> Membership:
    return Membership.objects.get(user=user, organization=organization)


def test_nobody_is_a_member_twice(
    organization: Organization, alice: User, bob: User
) -> None:
    with pytest.raises(AlreadyMember):
        members.add(organization, bob, Role.VIEWER, actor=actor_of(alice))


def test_the_last_owner_stays_owner_and_stays(
    organization: Organization, alice: User
) -> None:
    own = membership_of(alice, organization)
    with pytest.raises(LastOwner):
        members.change_role(own, Role.ADMIN, actor=actor_of(alice))
    with pytest.raises(LastOwner):
        members.remove(own, actor=actor_of(alice))
    assert membership_of(alice, organization).role == Role.OWNER


def test_a_disabled_owner_does_not_count(
    organization: Organization, alice: User
) -> None:
    carol = make_member(organization, "carol@example.com", Role.OWNER)
    User.objects.filter(pk=carol.pk).update(is_active=False)
    with pytest.raises(LastOwner):
        members.remove(membership_of(alice, organization), actor=actor_of(alice))


def test_an_owner_may_go_when_another_stays(
    organization: Organization, alice: User
) -> None:
    make_member(organization, "carol@example.com", Role.OWNER)
    members.remove(membership_of(alice, organization), actor=actor_of(alice))
    assert not Membership.objects.filter(user=alice).exists()


def test_nobody_promotes_themselves(organization: Organization, bob: User) -> None:
    with pytest.raises(NotAllowed):
        members.change_role(
            membership_of(bob, organization), Role.OWNER, actor=actor_of(bob)
        )


def test_an_admin_neither_makes_nor_removes_owners(
    organization: Organization, alice: User, bob: User
) -> None:
    admin = make_member(organization, "adam@example.com", Role.ADMIN)
    actor, bobs = actor_of(admin), membership_of(bob, organization)
    with pytest.raises(NotAllowed):
        members.change_role(bobs, Role.OWNER, actor=actor)
    with pytest.raises(NotAllowed):
        members.remove(membership_of(alice, organization), actor=actor)
    members.change_role(
        membership_of(bob, organization), Role.VIEWER, actor=actor_of(admin)
    )
    assert membership_of(bob, organization).role == Role.VIEWER


def test_a_stranger_adds_nobody(
    organization: Organization, mallory: User, bob: User
) -> None:
    with pytest.raises(NotAllowed):
        members.add(organization, mallory, Role.OWNER, actor=actor_of(mallory))


def test_the_keys_of_a_removed_member_are_revoked(
    organization: Organization, alice: User, bob: User
) -> None:
    _, bobs_secret = make_key(organization, bob)
    _, alices_secret = make_key(organization, alice)
    members.remove(membership_of(bob, organization), actor=actor_of(alice))
    with pytest.raises(RevokedKey):
        keys.verify(bobs_secret)
    keys.verify(alices_secret)


def test_changes_are_audited(
    organization: Organization, alice: User, bob: User
) -> None:
    own = membership_of(bob, organization)
    members.change_role(own, Role.ADMIN, actor=actor_of(alice))
    members.remove(own, actor=actor_of(alice))
    found = AuditEvent.objects.filter(
        organization=organization, action__startswith="member"
    ).order_by("id")
    assert [(event.action, event.target) for event in found] == [
        ("member.add", "bob@example.com"),
        ("member.change_role", "bob@example.com"),
        ("member.remove", "bob@example.com"),
    ]
    assert found[1].detail == {
        "before": {"role": "developer"},
        "after": {"role": "admin"},
    }


def demote(other: User, owner: User, where: Organization, start: Barrier) -> None:
    """In a thread of its own: one owner makes the other a viewer, if it may."""
    victim, actor = membership_of(other, where), audit.Actor(owner, owner.email)
    start.wait()
    try:
        members.change_role(victim, Role.VIEWER, actor=actor)
    except (LastOwner, NotAllowed):
        pass
    finally:
        connections.close_all()


@pytest.mark.parametrize("round_", range(5))
def test_two_owners_who_demote_each_other_at_once_leave_one(
    committed_db: None, round_: int
) -> None:
    first = make_user(f"race-a{round_}@example.com")
    organization = make_organization(f"Race {round_}", first, credits=0)
    second = make_member(organization, f"race-b{round_}@example.com", Role.OWNER)
    start = Barrier(2)
    threads = [
        Thread(target=demote, args=(*pair, organization, start))
        for pair in ((first, second), (second, first))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert organization.memberships.filter(role=Role.OWNER).count() == 1
