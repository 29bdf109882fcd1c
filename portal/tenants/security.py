"""What an organization asks of its members' accounts."""

from __future__ import annotations

from django.db import transaction

from portal.models import Organization
from portal.tenants import audit, policy, second_factor
from portal.tenants.errors import NoSecondFactor
from portal.tenants.roles import Permission


@transaction.atomic
def require_mfa(
    organization: Organization, is_required: bool, *, actor: audit.Actor
) -> bool:
    """Open the organization's pages only to members with a second factor, from their
    next request on; or to all again. False when nothing changed.

    Raises: NotAllowed; NoSecondFactor for who asks more of others than of themselves.
    """
    current = Organization.objects.select_for_update(no_key=True).get(
        pk=organization.pk
    )
    policy.require(actor, current.pk, Permission.MANAGE_SECURITY)
    if current.requires_mfa == is_required:
        return False
    if is_required and actor.user and not second_factor.has_one(actor.user):
        raise NoSecondFactor
    Organization.objects.filter(pk=current.pk).update(requires_mfa=is_required)
    audit.record(
        "organization.require_mfa",
        actor=actor,
        organization=organization,
        before=current.requires_mfa,
        after=is_required,
    )
    return True
