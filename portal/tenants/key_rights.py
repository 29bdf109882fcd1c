"""What may be read with a key beyond its own calls and limits.

The organization's balance is read with a key whose holder may see money, and with any
other key that somebody allowed it, as a service account's. A developer's key does not
tell it. What the key's whole project used is told where somebody allowed that.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from portal.models import ApiKey, KeyRights, Membership
from portal.tenants import audit, policy, roles
from portal.tenants.roles import Permission


@dataclass(frozen=True, slots=True)
class Rights:
    """Of one key, as of now."""

    sees_balance: bool
    sees_project: bool


NONE = Rights(sees_balance=False, sees_project=False)


def of(key: ApiKey) -> Rights:
    """Two queries at most."""
    row = KeyRights.objects.filter(key=key).first()
    given = Rights(row.sees_balance, row.sees_project) if row else NONE
    if given.sees_balance or key.spender.holder_id is None:
        return given
    holder = Membership.objects.filter(unit=key.spender.holder_id, disabled_at=None)
    role = holder.values_list("role", flat=True).first() or ""
    return Rights(roles.may(role, Permission.SEE_MONEY), given.sees_project)


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
