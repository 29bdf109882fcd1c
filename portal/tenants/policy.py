"""Who may do what. Every operation asks here before it writes, whoever calls it.

Pages ask the same rules for what they show, but only the operation decides: it reads
the actor's role itself, from the row of their membership, which stays locked until
its transaction ends. So a member who is being removed cannot act in the meantime.
Locks are taken in one order: organization, membership, project or service account,
key.
"""

from __future__ import annotations

from portal.models import ApiKey, Membership, Role
from portal.tenants import roles
from portal.tenants.audit import Actor
from portal.tenants.errors import NotAllowed
from portal.tenants.roles import Permission


def require(actor: Actor, organization_id: int, permission: Permission) -> None:
    """Raises: NotAllowed."""
    if not is_operator(actor):
        refuse_unless(roles.may(role_of(actor, organization_id), permission))


def require_key_change(actor: Actor, key: ApiKey) -> None:
    """For rotating and revoking `key`. Raises: NotAllowed."""
    if not is_operator(actor):
        membership = membership_of(actor, key.organization_id)
        refuse_unless(membership is not None and may_change_key(membership, key))


def require_assignment(actor: Actor, organization_id: int, *touched: str) -> None:
    """For giving or taking these roles. Raises: NotAllowed."""
    if not is_operator(actor):
        refuse_unless(may_assign(role_of(actor, organization_id), *touched))


def require_operator(actor: Actor) -> None:
    """For what no member may do, not even an owner. Raises: NotAllowed."""
    refuse_unless(is_operator(actor))


def is_operator(actor: Actor) -> bool:
    """Only the operator's own commands act without a person."""
    return actor.user is None


def may_change_key(membership: Membership, key: ApiKey) -> bool:
    """Any key, or one that the member holds, for as long as the role sees those."""
    if roles.may(membership.role, Permission.REVOKE_ANY_KEY):
        return True
    is_own = key.spender.holder_id == membership.unit_id
    return is_own and roles.may(membership.role, Permission.SEE_OWN_KEYS)


def may_assign(assigner: str, *touched: str) -> bool:
    """Whether `assigner` may give or take these roles; owners are made by owners."""
    if not roles.may(assigner, Permission.MANAGE_MEMBERS):
        return False
    return Role.OWNER not in touched or roles.may(assigner, Permission.MANAGE_OWNERS)


def role_of(actor: Actor, organization_id: int) -> str:
    """The actor's role of now; none, which may nothing, for a stranger."""
    membership = membership_of(actor, organization_id)
    return membership.role if membership else ""


def membership_of(actor: Actor, organization_id: int) -> Membership | None:
    """The actor's membership of now, locked; a disabled one is none."""
    locked = Membership.objects.select_for_update(no_key=True)
    return locked.filter(
        organization_id=organization_id, user=actor.user, disabled_at=None
    ).first()


def refuse_unless(is_allowed: bool) -> None:
    if not is_allowed:
        raise NotAllowed
