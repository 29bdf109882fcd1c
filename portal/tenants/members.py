"""Adding, changing, disabling and removing members. One always is an owner.

A disabled or removed member's keys are refused on their very next call: the hold's own
transaction reads the member's unit. Disabled keys work again when their holder does; a
removed member's are revoked for good.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from billing import spenders
from billing.models.account import UnitKind
from portal.models import (
    FormerMember,
    Invitation,
    Membership,
    Organization,
    Role,
    User,
)
from portal.tenants import audit, policy
from portal.tenants import heirs as inheritance
from portal.tenants.errors import AlreadyMember, LastOwner, NotAllowed
from portal.tenants.heirs import Heirs
from portal.tenants.roles import Permission


@transaction.atomic
def add(
    organization: Organization, user: User, role: Role, *, actor: audit.Actor
) -> Membership:
    """Make `user` a member.

    Raises: NotAllowed, AlreadyMember.
    """
    lock(organization.id)
    policy.require_assignment(actor, organization.id, role)
    if Membership.objects.filter(organization=organization, user=user).exists():
        raise AlreadyMember
    membership = store(organization, user, role)
    audit.record(
        "member.add",
        actor=actor,
        organization=organization,
        target=user.email,
        after={"role": role},
    )
    return membership


@transaction.atomic
def change_role(membership: Membership, role: Role, *, actor: audit.Actor) -> None:
    """Give a member another role; rights change with the next request. The role they
    have changes nothing.

    Raises: NotAllowed, LastOwner.
    """
    lock(membership.organization_id)
    refresh(membership)
    before = membership.role
    policy.require_assignment(actor, membership.organization_id, before, role)
    if role == before:
        return
    if before == Role.OWNER and role != Role.OWNER:
        refuse_last_owner(membership)
    withdraw_invitations(membership, role, actor)
    membership.role = role
    membership.save(update_fields=["role"])
    audit.record(
        "member.change_role",
        actor=actor,
        organization=membership.organization,
        target=membership.user.email,
        before={"role": before},
        after={"role": role},
    )


@transaction.atomic
def disable(membership: Membership, *, actor: audit.Actor) -> None:
    """Refuse their keys and pages until `enable`; again changes nothing.

    Raises: NotAllowed, LastOwner.
    """
    lock(membership.organization_id)
    refresh(membership)
    policy.require_assignment(actor, membership.organization_id, membership.role)
    if membership.disabled_at is not None:
        return
    if membership.role == Role.OWNER:
        refuse_last_owner(membership)
    withdraw_invitations(membership, "", actor)
    set_disabled(membership, timezone.now(), "member.disable", actor)


@transaction.atomic
def enable(membership: Membership, *, actor: audit.Actor) -> None:
    """Let their keys and pages work again; again changes nothing.

    Raises: NotAllowed.
    """
    lock(membership.organization_id)
    refresh(membership)
    policy.require_assignment(actor, membership.organization_id, membership.role)
    if membership.disabled_at is not None:
        set_disabled(membership, None, "member.enable", actor)


def set_disabled(
    membership: Membership, since: datetime | None, action: str, actor: audit.Actor
) -> None:
    membership.disabled_at = since
    membership.save(update_fields=["disabled_at"])
    spenders.set_unit_open(membership.unit_id, is_open=since is None)
    audit.record(
        action,
        actor=actor,
        organization=membership.organization,
        target=membership.user.email,
    )


@transaction.atomic
def remove(
    membership: Membership, *, actor: audit.Actor, heirs: Heirs | None = None
) -> None:
    """Take a member out; leaving oneself is free. The keys they hold go to the `heirs`
    that are named for them, by who may change any key; the others are revoked. Removed
    already: changes nothing.

    Raises: NotAllowed, LastOwner, UnfitHeir, AccountLocked.
    """
    lock(membership.organization_id)
    # Locked as the policy locks it: a key that the member makes at this moment is
    # made before the keys are read below, or not at all.
    found = Membership.objects.select_for_update(no_key=True, of=("self",))
    current = found.select_related("user", "unit").filter(pk=membership.pk).first()
    if actor.user != membership.user:
        role = current.role if current else membership.role
        policy.require_assignment(actor, membership.organization_id, role)
    if current is None:
        return
    membership = current
    if heirs:
        right = Permission.REVOKE_ANY_KEY
        policy.require(actor, membership.organization_id, right)
    if membership.role == Role.OWNER:
        refuse_last_owner(membership)
    withdraw_invitations(membership, "", actor)
    spenders.set_unit_open(membership.unit_id, is_open=False)
    inheritance.leave(inheritance.held_by(membership), heirs or {}, actor=actor)
    FormerMember.objects.create(
        organization_id=membership.organization_id,
        user=membership.user,
        unit_id=membership.unit_id,
    )
    audit.record(
        "member.remove",
        actor=actor,
        organization=membership.organization,
        target=membership.user.email,
        before={"role": membership.role},
        after={"role": None},
    )
    membership.delete()


@transaction.atomic
def leave_everywhere(user: User, *, actor: audit.Actor) -> None:
    """Take a person out of all their organizations, before their account is deleted or
    closed: all or none.

    Raises: NotAllowed, LastOwner, which says of which organization.
    """
    joined = user.memberships.select_related("organization", "user")
    for membership in joined.order_by("organization_id"):
        try:
            remove(membership, actor=actor)
        except LastOwner as refusal:
            raise LastOwner(f"{membership.organization}: {refusal}") from refusal


def store(organization: Organization, user: User, role: Role) -> Membership:
    """The row, with a unit: their old one, if they were a member before."""
    former = FormerMember.objects.filter(organization=organization, user=user).first()
    if former is None:
        unit = spenders.open_unit(
            organization.account_id, UnitKind.MEMBER, label=user.email
        )
    else:
        unit = former.unit
        former.delete()
        spenders.rename_unit(unit.id, user.email)
        spenders.set_unit_open(unit.id, is_open=True)
    return Membership.objects.create(
        organization=organization, user=user, role=role, unit=unit
    )


def refresh(membership: Membership) -> None:
    """Raises: NotAllowed when it was removed meanwhile."""
    try:
        membership.refresh_from_db(fields=["role", "disabled_at"])
    except Membership.DoesNotExist as error:
        raise NotAllowed("They are no member any more.") from error


def withdraw_invitations(membership: Membership, role: str, actor: audit.Actor) -> None:
    """Revoke what the member has offered and, with that role from now on, could not
    offer: nobody comes in by the word of somebody who was sent out."""
    pending = Invitation.objects.filter(
        organization_id=membership.organization_id,
        invited_by=membership.user_id,
        accepted_at=None,
        revoked_at=None,
    )
    for invitation in pending.select_for_update().order_by("pk"):
        if policy.may_assign(role, invitation.role):
            continue
        invitation.revoked_at = timezone.now()
        invitation.save(update_fields=["revoked_at"])
        audit.record(
            "invitation.revoke",
            actor=actor,
            organization=membership.organization,
            target=invitation.email[:200],
            because=f"{membership.user.email} may not invite any more"[:300],
        )


def lock(organization_id: int) -> None:
    """Queue changes of one organization's members, so that two owners cannot demote
    each other at once. NO KEY: rows that merely refer to it need not wait."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization_id)


def refuse_last_owner(membership: Membership) -> None:
    others = Membership.objects.filter(
        organization_id=membership.organization_id,
        role=Role.OWNER,
        user__is_active=True,
        disabled_at=None,
    ).exclude(pk=membership.pk)
    if not others.exists():
        raise LastOwner
