"""Invitations: for one address, once, for a week, by whoever may give that role.

Costs 2 s.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import connections
from django.utils import timezone

from billing.models import Budget
from billing.values.orders import CREDIT
from portal.models import (
    AuditEvent,
    Invitation,
    Membership,
    Organization,
    Role,
    User,
)
from portal.tenants import budgets, invitations, members, projects
from portal.tenants.errors import (
    AlreadyInvited,
    AlreadyMember,
    InvalidInvitation,
    InvitationOver,
    NotAllowed,
    OtherAddress,
    PortalError,
)
from tests.support.cast import (
    OPERATOR,
    actor_of,
    make_member,
    make_organization,
    make_user,
)


def invited(
    organization: Organization, email: str = "dev@example.com", role: Role = Role.VIEWER
) -> tuple[Invitation, str]:
    return invitations.invite(organization, email, role, actor=OPERATOR)


def expire(invitation: Invitation) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=past)
    invitation.refresh_from_db()


def test_who_accepts_is_what_the_invitation_says(
    organization: Organization, alice: User
) -> None:
    search = projects.create(organization, "Search", actor=OPERATOR)
    made, token = invitations.invite(
        organization,
        " Dev@EXAMPLE.com ",
        Role.DEVELOPER,
        actor=actor_of(alice),
        projects=[search],
        cap_micros=50 * CREDIT,
    )
    user = make_user("dev@example.com")
    found = invitations.find(token)
    assert found == made
    joined = invitations.accept(made, actor=actor_of(user))
    assert (joined.role, joined.is_limited) == (Role.DEVELOPER, True)
    assert [each.project for each in joined.named_projects.all()] == [search]
    cap = budgets.caps_of(organization)[joined.unit_id]
    assert (cap.limit_micros, cap.window) == (50 * CREDIT, "month")
    actions = AuditEvent.objects.filter(organization=organization).order_by("id")
    last = [event.action for event in actions][-3:]
    assert last == ["invitation.create", "budget.set", "invitation.accept"]
    given = {
        "role": "developer",
        "projects": ["search"],
        "cap_credits_a_month": "50",
    }
    assert [event.detail.get("after") for event in actions][-3::2] == [given, given]
    stored = str(list(Invitation.objects.values())) + str(list(actions.values()))
    assert token not in stored


def test_it_is_accepted_once_and_again_by_the_same_person_changes_nothing(
    organization: Organization,
) -> None:
    made, _ = invited(organization)
    user = make_user("dev@example.com")
    first = invitations.accept(made, actor=actor_of(user))
    members.change_role(first, Role.BILLING, actor=OPERATOR)
    before = AuditEvent.objects.count()
    assert invitations.accept(made, actor=actor_of(user)) == first
    assert organization.memberships.get(user=user).role == Role.BILLING
    members.remove(first, actor=OPERATOR)
    with pytest.raises(InvitationOver):
        invitations.accept(made, actor=actor_of(user))
    assert AuditEvent.objects.count() == before + 1  # the removal


def test_nobody_else_accepts_it(organization: Organization, mallory: User) -> None:
    made, _ = invited(organization)
    with pytest.raises(OtherAddress):
        invitations.accept(made, actor=actor_of(mallory))
    with pytest.raises(OtherAddress):
        invitations.accept(made, actor=OPERATOR)
    assert not mallory.memberships.filter(organization=organization).exists()


def test_what_is_over_opens_nothing(organization: Organization) -> None:
    made, token = invited(organization)
    actor = actor_of(make_user("dev@example.com"))
    expire(made)
    with pytest.raises(InvitationOver):
        invitations.accept(made, actor=actor)
    renewed = invitations.renew(made, actor=OPERATOR)
    assert invitations.find(token) is None
    with pytest.raises(InvitationOver):
        invitations.accept(made, actor=actor)  # opened by the link before
    current = invitations.find(renewed)
    assert current is not None
    invitations.revoke(current, actor=OPERATOR)
    invitations.revoke(current, actor=OPERATOR)
    with pytest.raises(InvitationOver):
        invitations.accept(current, actor=actor)
    with pytest.raises(InvitationOver):
        invitations.renew(current, actor=OPERATOR)
    assert AuditEvent.objects.filter(action="invitation.revoke").count() == 1


def test_an_address_is_invited_once_at_a_time(
    organization: Organization, bob: User
) -> None:
    made, _ = invited(organization)
    with pytest.raises(AlreadyInvited):
        invited(organization, "DEV@example.com")
    with pytest.raises(AlreadyMember):
        invited(organization, bob.email.upper())
    expire(made)
    again, _ = invited(organization)
    made.refresh_from_db()
    states = [each.state_at(timezone.now()) for each in (made, again)]
    assert states == ["revoked", "pending"]


@pytest.mark.parametrize(
    "email",
    [
        *(
            "",
            "dev",
            "dev@",
            "a b@example.com",
            "dev@example.com\n",
            "d\x00@example.com",
        ),
        *("x" * 10_000 + "@example.com", "dev@example.com,bob@example.com"),
    ],
)
def test_what_is_no_address_is_refused(organization: Organization, email: str) -> None:
    if email.endswith("\n"):  # space around an address is none of it
        assert invited(organization, email)[0].email == email.strip()
        return
    with pytest.raises(InvalidInvitation):
        invited(organization, email)


def test_an_offer_that_makes_no_sense_is_refused(
    organization: Organization, mallory: User
) -> None:
    foreign = mallory.memberships.get().organization.projects.get()
    old = projects.create(organization, "Old", actor=OPERATOR)
    projects.archive(old, actor=OPERATOR)
    for more in (
        {"projects": [foreign]},
        {"projects": [old]},
        {"cap_micros": 0},
        {"cap_micros": 10**15 + 1},
    ):
        with pytest.raises(InvalidInvitation):
            invitations.invite(
                organization,
                "dev@example.com",
                Role.DEVELOPER,
                actor=OPERATOR,
                **more,
            )
    assert not Invitation.objects.exists()


def test_nobody_invites_above_themselves(organization: Organization) -> None:
    admin = actor_of(make_member(organization, "adam@example.com", Role.ADMIN))
    made, _ = invited(organization, role=Role.OWNER)
    for attempt in (
        lambda: invitations.invite(organization, "o@x.com", Role.OWNER, actor=admin),
        lambda: invitations.renew(made, actor=admin),
        lambda: invitations.revoke(made, actor=admin),
    ):
        with pytest.raises(NotAllowed):
            attempt()
    assert invitations.invite(organization, "o@x.com", Role.ADMIN, actor=admin)


@pytest.mark.parametrize("way", ["remove", "disable", "demote"])
def test_whoever_may_not_invite_any_more_brings_nobody_in(
    organization: Organization, way: str
) -> None:
    """A sent-out admin could else come back by an invitation of their own."""
    admin = make_member(organization, "adam@example.com", Role.ADMIN)
    made, _ = invitations.invite(
        organization, "back@example.com", Role.ADMIN, actor=actor_of(admin)
    )
    membership = organization.memberships.get(user=admin)
    if way == "demote":
        members.change_role(membership, Role.DEVELOPER, actor=OPERATOR)
    else:
        getattr(members, way)(membership, actor=OPERATOR)
    with pytest.raises(InvitationOver):
        invitations.accept(made, actor=actor_of(make_user("back@example.com")))


def test_an_owner_made_admin_vouches_only_for_what_admins_give(
    organization: Organization,
) -> None:
    owner = make_member(organization, "olga@example.com", Role.OWNER)
    made = [
        invitations.invite(organization, f"{role}@x.com", role, actor=actor_of(owner))
        for role in (Role.OWNER, Role.ADMIN)
    ]
    membership = organization.memberships.get(user=owner)
    members.change_role(membership, Role.ADMIN, actor=OPERATOR)
    now, states = timezone.now(), []
    for invitation, _ in made:
        invitation.refresh_from_db()
        states.append(invitation.state_at(now))
    assert states == ["revoked", "pending"]


def test_two_who_accept_at_once_make_one_member(committed_db: None) -> None:
    """Or one who is invited twice at once: one invitation."""
    organization = make_organization(
        f"Race {uuid4().hex}", make_user(f"{uuid4().hex}@example.com"), credits=0
    )
    email = f"{uuid4().hex}@example.com"
    start = Barrier(4, timeout=30)

    def invite(_: int) -> str:
        start.wait()
        try:
            invitations.invite(
                organization, email, Role.DEVELOPER, actor=OPERATOR, cap_micros=7
            )
        except PortalError as refusal:
            return type(refusal).__name__
        finally:
            connections.close_all()
        return "invited"

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(invite, range(4)))
    assert outcomes == ["AlreadyInvited"] * 3 + ["invited"]
    made = organization.invitations.get()
    user = make_user(email)

    def accept(_: int) -> int:
        start.wait()
        try:
            return invitations.accept(made, actor=actor_of(user)).pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(accept, range(4)))
    joined = Membership.objects.get(organization=organization, user=user)
    assert found == {joined.pk}
    limits = Budget.objects.filter(holder=joined.unit_id)
    assert limits.count() == 1
    accepted = AuditEvent.objects.filter(
        organization=organization, action="invitation.accept"
    )
    assert accepted.count() == 1
