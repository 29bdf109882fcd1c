"""What may be read with a key beyond its own calls and limits.

The organization's balance is read with a key whose holder may see money, and with any
other key that somebody allowed it, as a service account's. A developer's key does not
tell it. What the key's whole project used is told where somebody allowed that.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef

from portal.models import ApiKey, KeyRights, Membership
from portal.tenants import audit, policy, roles
from portal.tenants.roles import Permission


@dataclass(frozen=True, slots=True)
class Rights:
    """Of one key, as of now, whoever holds it."""

    sees_balance: bool
    sees_project: bool


NONE = Rights(sees_balance=False, sees_project=False)


# Of the row of a secret, with its key and its spender.
SEES_BALANCE = Exists(
    KeyRights.objects.filter(key=OuterRef("key"), sees_balance=True)
) | Exists(
    Membership.objects.filter(
        unit=OuterRef("spender__holder"),
        disabled_at=None,
        role__in=roles.with_permission(Permission.SEE_MONEY),
    )
)


def of(key: ApiKey) -> Rights:
    """What somebody gave it; who holds it may see more."""
    row = KeyRights.objects.filter(key=key).first()
    return Rights(row.sees_balance, row.sees_project) if row else NONE


@transaction.atomic
def give(
    key: ApiKey, *, sees_balance: bool, sees_project: bool, actor: audit.Actor
) -> bool:
    """From the next request on; whether that changed anything. Raises: NotAllowed."""
    policy.require(actor, key.organization_id, Permission.MANAGE_ORGANIZATION)
    after = {"sees_balance": sees_balance, "sees_project": sees_project}
    row, _ = KeyRights.objects.select_for_update(no_key=True).get_or_create(key=key)
    before = {name: getattr(row, name) for name in after}
    if before == after:
        return False
    row.sees_balance, row.sees_project = sees_balance, sees_project
    row.save()
    audit.record(
        "api_key.rights",
        actor=actor,
        organization=key.organization,
        target=str(key),
        key_id=str(key.pk),
        before=before,
        after=after,
    )
    return True
