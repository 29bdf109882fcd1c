"""Adding, changing, disabling and removing members. One always is an owner.

A disabled or removed member's keys are refused on their very next call: the hold's own
transaction reads the member's unit. Disabled keys work again when their holder does; a
removed member's are revoked for good.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from billing import spenders
from billing.models.account import UnitKind
from portal.models import (
    ApiKey,
    FormerMember,
    Membership,
    Organization,
    Role,
    User,
)
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
    membership = store(organization, user, role)
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
    """Give a member another role; rights change with the next request. The role they
    have changes nothing.

    Raises: NotAllowed, LastOwner.
    """
    lock(membership.organization_id)
    membership.refresh_from_db(fields=["role"])
    before = membership.role
    policy.require_assignment(actor, membership.organization_id, before, role)
    if role == before:
        return
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
def disable(membership: Membership, *, actor: audit.Actor) -> None:
    """Refuse their keys and pages until `enable`; again changes nothing.

    Raises: NotAllowed, LastOwner.
    """
    lock(membership.organization_id)
    membership.refresh_from_db(fields=["role", "disabled_at"])
    policy.require_assignment(actor, membership.organization_id, membership.role)
    if membership.disabled_at is not None:
        return
    if membership.role == Role.OWNER:
        refuse_last_owner(membership)
    set_disabled(membership, timezone.now(), "member.disable", actor)


@transaction.atomic
def enable(membership: Membership, *, actor: audit.Actor) -> None:
    """Let their keys and pages work again; again changes nothing.

    Raises: NotAllowed.
    """
    lock(membership.organization_id)
    membership.refresh_from_db(fields=["role", "disabled_at"])
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
def remove(membership: Membership, *, actor: audit.Actor) -> None:
    """Take a member out and revoke the keys they hold; leaving oneself is free.

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
    spenders.set_unit_open(membership.unit_id, is_open=False)
    keys.close(*held_keys(membership), actor=actor)
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
        role=membership.role,
    )
    membership.delete()


def held_keys(membership: Membership) -> QuerySet[ApiKey]:
    """The keys that are revoked when the member goes."""
    held = ApiKey.objects.filter(
        organization_id=membership.organization_id,
        spender__holder=membership.unit_id,
        revoked_at=None,
    )
    return held.order_by("created_at")


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
