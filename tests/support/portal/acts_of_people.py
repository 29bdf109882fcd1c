"""The same for invitations, who may use which projects, and what people keep."""

from __future__ import annotations

from functools import partial

from allauth.mfa.models import Authenticator

from billing.models.budget import Window
from portal.models import Invitation, Membership, Role, SavedView
from portal.tenants import (
    heirs,
    invitations,
    members,
    new_keys,
    organizations,
    project_members,
    projects,
    saved_views,
    security,
)
from portal.tenants.new_keys import Limits
from portal.tenants.rules import Wanted
from tests.support.cast import OPERATOR, actor_of, make_key, make_user
from tests.support.portal.worlds import (
    Act,
    Do,
    World,
    with_it,
    with_keys,
)

EMAIL = "invited@example.com"


def invited(world: World) -> Invitation:
    return invitations.invite(
        world.organization, EMAIL, Role.DEVELOPER, actor=world.actor
    )[0]


def accepted(world: World) -> Do:
    invitation, person = invited(world), actor_of(make_user(EMAIL))
    return lambda: invitations.accept(invitation, actor=person)


def accepted_with_a_cap(world: World) -> Do:
    invitation, _ = invitations.invite(
        world.organization, EMAIL, Role.DEVELOPER, actor=world.actor, cap_micros=5
    )
    person = actor_of(make_user(EMAIL))
    return lambda: invitations.accept(invitation, actor=person)


def limited(world: World) -> Membership:
    """A developer who may use one project."""
    found = world.member(Role.DEVELOPER)
    project_members.limit(found, [world.default], actor=OPERATOR)
    return found


def of_everybody(world: World) -> Do:
    """A developer leaves, by themselves, with a key."""
    found = world.member(Role.DEVELOPER)
    make_key(world.organization, found.user, "own")
    actor = actor_of(found.user)
    return lambda: members.leave_everywhere(found.user, actor=actor)


def handed_over(world: World) -> Do:
    heir = world.robot()
    return lambda: heirs.hand_over(world.key, heir, actor=world.actor)


def left(world: World) -> Do:
    heir = world.robot()
    return lambda: heirs.leave([world.key], {world.key.pk: heir}, actor=world.actor)


def joined(world: World) -> Do:
    project, member = world.project(), limited(world)
    return lambda: project_members.join(project, member, actor=world.actor)


def parted(world: World) -> Do:
    member = limited(world)
    return lambda: project_members.leave(world.default, member, actor=world.actor)


def owned(world: World) -> Do:
    project, owner = world.project(), world.organization.memberships.get()
    return lambda: projects.set_owner(project, owner, actor=world.actor)


def mfa_required(world: World) -> Do:
    Authenticator.objects.create(
        user=world.owner, type=Authenticator.Type.TOTP, data={}
    )
    return partial(security.require_mfa, world.organization, True, actor=world.actor)


def saved_view(world: World) -> SavedView:
    return saved_views.save(
        world.organization, "Mine", "", is_shared=False, actor=world.actor
    )


ACTS_OF_PEOPLE: dict[str, Act] = {
    "invitations.invite": Act(lambda it: lambda: invited(it), ("invitation.create",)),
    "invitations.renew": Act(
        with_it(invited, invitations.renew), ("invitation.renew",), True
    ),
    "invitations.revoke": Act(
        with_it(invited, invitations.revoke), ("invitation.revoke",)
    ),
    "invitations.accept": Act(accepted, ("invitation.accept",)),
    "invitations.accept, with a cap": Act(
        accepted_with_a_cap, ("budget.set", "invitation.accept")
    ),
    "members.leave_everywhere": Act(of_everybody, ("api_key.revoke", "member.remove")),
    "heirs.hand_over": Act(handed_over, ("api_key.hand_over",)),
    "heirs.leave": Act(left, ("api_key.hand_over",)),
    "project_members.limit": Act(
        with_it(with_keys, project_members.limit, []),
        ("api_key.hand_over", "api_key.hand_over", "member.limit"),
    ),
    "project_members.join": Act(joined, ("member.limit",)),
    "project_members.leave": Act(parted, ("member.limit",)),
    "projects.set_owner": Act(owned, ("project.set_owner",)),
    "security.require_mfa": Act(mfa_required, ("organization.require_mfa",)),
    "new_keys.issue": Act(
        lambda it: partial(
            new_keys.issue,
            it.default,
            "new",
            actor=it.actor,
            limits=Limits({Window.DAY: 5}, Wanted(requests_per_minute=5)),
        ),
        ("api_key.create", "budget.set", "rules.set"),
        True,
    ),
    "saved_views.save": Act(lambda it: partial(saved_view, it), ("saved_view.create",)),
    "saved_views.change": Act(
        with_it(saved_view, saved_views.change, "Ours", is_shared=True),
        ("saved_view.change",),
    ),
    "saved_views.delete": Act(
        with_it(saved_view, saved_views.delete), ("saved_view.delete",)
    ),
    "organizations.change_slug": Act(
        lambda it: partial(
            organizations.change_slug, it.organization, "rocket", actor=it.actor
        ),
        ("organization.change_slug",),
    ),
    "organizations.create_own": Act(
        lambda it: partial(organizations.create_own, "Second", actor=it.actor),
        ("organization.create",),
        True,
    ),
}
