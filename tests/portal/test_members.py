"""Members: roles change under a lock, and an owner always remains."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from django.db import connections, transaction

from portal.models import AuditEvent, Membership, Organization, Role, User
from portal.tenants import keys, members
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


WAYS: dict[str, Callable[[Membership, Membership], None]] = {
    "demote": lambda own, other: members.change_role(
        other, Role.VIEWER, actor=actor_of(own.user)
    ),
    "disable": lambda own, other: members.disable(other, actor=actor_of(own.user)),
    "remove": lambda own, other: members.remove(other, actor=actor_of(own.user)),
    "leave": lambda own, other: members.remove(own, actor=actor_of(own.user)),
    "delete the account": lambda own, other: members.leave_everywhere(
        own.user, actor=actor_of(own.user)
    ),
}


@pytest.mark.parametrize(
    "ways",
    [
        *((way, way) for way in WAYS),
        *(("demote", "remove"), ("leave", "disable"), ("delete the account", "demote")),
    ],
    ids=" and ".join,
)
def test_of_two_owners_who_go_at_once_one_stays(
    committed_db: None, ways: tuple[str, str]
) -> None:
    """Each sends the other away, or goes; each in its own way."""
    for _ in range(3):
        name = uuid4().hex
        first = make_user(f"{name}@example.com")
        organization = make_organization(name, first, credits=0)
        make_member(organization, f"b-{name}@example.com", Role.OWNER)
        one, two = organization.memberships.select_related("user").order_by("pk")
        start = Barrier(2, timeout=30)

        def go(
            way: str, own: Membership, other: Membership, start: Barrier = start
        ) -> None:
            start.wait()
            try:
                WAYS[way](own, other)
            except (LastOwner, NotAllowed):
                pass
            finally:
                connections.close_all()

        pairs = zip(ways, ((one, two), (two, one)), strict=True)
        threads = [Thread(target=go, args=(way, *pair)) for way, pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        left = organization.memberships.filter(role=Role.OWNER, disabled_at=None)
        assert left.count() == 1


def test_who_is_the_last_owner_somewhere_leaves_nowhere(
    organization: Organization, alice: User, mallory: User
) -> None:
    elsewhere = Organization.objects.get(slug="elsewhere")
    members.add(elsewhere, alice, Role.VIEWER, actor=actor_of(mallory))
    with pytest.raises(LastOwner, match="Acme"):
        members.leave_everywhere(alice, actor=actor_of(alice))
    assert alice.memberships.count() == 2
    make_member(organization, "carol@example.com", Role.OWNER)
    members.leave_everywhere(alice, actor=actor_of(alice))
    assert alice.memberships.count() == 0


def test_what_was_removed_meanwhile_changes_nothing(
    organization: Organization, alice: User, bob: User
) -> None:
    """A page that was left open: the removal again is as good as once."""
    stale = membership_of(bob, organization)
    members.remove(membership_of(bob, organization), actor=actor_of(alice))
    before = AuditEvent.objects.count()
    members.remove(stale, actor=actor_of(alice))
    with pytest.raises(NotAllowed):
        members.change_role(stale, Role.ADMIN, actor=actor_of(alice))
    for change in (members.disable, members.enable):
        with pytest.raises(NotAllowed):
            change(stale, actor=actor_of(alice))
    assert AuditEvent.objects.count() == before


def test_a_key_made_while_its_maker_is_removed_does_not_stay_open(
    committed_db: None,
) -> None:
    owner = make_user(f"{uuid4().hex}@example.com")
    organization = make_organization(f"Race {uuid4().hex}", owner, credits=0)
    leaving = make_member(organization, f"{uuid4().hex}@example.com", Role.DEVELOPER)

    def remove_them() -> None:
        membership = organization.memberships.get(user=leaving)
        members.remove(membership, actor=actor_of(owner))
        connections.close_all()

    removal = Thread(target=remove_them)
    with transaction.atomic():
        make_key(organization, leaving)
        removal.start()
        removal.join(0.5)  # as far as it comes while this is not committed
    removal.join()
    assert organization.api_keys.get().is_revoked
