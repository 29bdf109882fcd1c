"""Adding, changing and removing members. An organization always has an owner."""

from __future__ import annotations

from django.db import transaction

from portal.models import ApiKey, Membership, Organization, Role, User
from portal.tenants import audit, keys, policy
from portal.tenants.errors import AlreadyMember, LastOwner


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
    membership = Membership.objects.create(
        organization=organization, user=user, role=role
    )
    audit.record(
        "member.add",
        actor=actor,
        organization=organization,
        target=user.email,
        role=role,
    )
    return membership


@transaction.atomic
def change_role(membership: Membership, role: Role, *, actor: audit.Actor) -> None:
    """Give a member another role; rights change with the next request.

    Raises: NotAllowed, LastOwner.
    """
    lock(membership.organization_id)
    membership.refresh_from_db(fields=["role"])
    before = membership.role
    policy.require_assignment(actor, membership.organization_id, before, role)
    if before == Role.OWNER and role != Role.OWNER:
        refuse_last_owner(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    audit.record(
        "member.change_role",
        actor=actor,
        organization=membership.organization,
        target=membership.user.email,
        before=before,
        after=role,
    )


@transaction.atomic
def remove(membership: Membership, *, actor: audit.Actor) -> None:
    """Take a member out and revoke the keys they made; leaving oneself is free.

    Raises: NotAllowed, LastOwner.
    """
    lock(membership.organization_id)
    # Locked as the policy locks it: a key that the member makes at this moment is
    # made before the keys are read below, or not at all.
    membership = Membership.objects.select_for_update(no_key=True).get(pk=membership.pk)
    if actor.user != membership.user:
        policy.require_assignment(actor, membership.organization_id, membership.role)
    if membership.role == Role.OWNER:
        refuse_last_owner(membership)
    made = ApiKey.objects.filter(
        organization_id=membership.organization_id,
        created_by=membership.user,
        revoked_at=None,
    )
    for key in made.order_by("created_at"):
        keys.close(key, actor=actor)
    audit.record(
        "member.remove",
        actor=actor,
        organization=membership.organization,
        target=membership.user.email,
        role=membership.role,
    )
    membership.delete()


def lock(organization_id: int) -> None:
    """Queue changes of one organization's members, so that two owners cannot demote
    each other at once. NO KEY: rows that merely refer to it need not wait."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization_id)


def refuse_last_owner(membership: Membership) -> None:
    others = Membership.objects.filter(
        organization_id=membership.organization_id,
        role=Role.OWNER,
        user__is_active=True,
    ).exclude(pk=membership.pk)
    if not others.exists():
        raise LastOwner
