"""Who may do what. Every operation asks here before it writes, whoever calls it.

Pages ask the same rules for what they show, but only the operation decides: it reads
the actor's role itself, from the row of their membership, which stays locked until
its transaction ends. So a member who is being removed cannot act in the meantime.
Locks are taken in one order: organization, membership, project or service account,
key, the ledger's account.
"""

from __future__ import annotations

from django.db.models import Q, QuerySet

from portal.models import ApiKey, Membership, Project, Role
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


def require_project(actor: Actor, project: Project) -> None:
    """For a new key of theirs in `project`. Raises: NotAllowed."""
    if not is_operator(actor):
        membership = membership_of(actor, project.organization_id)
        refuse_unless(membership is not None and may_use(membership, project.pk))


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
    sees_own = roles.may(membership.role, Permission.SEE_OWN_KEYS)
    return is_own and sees_own and may_use(membership, key.project_id)


def is_limited(membership: Membership) -> bool:
    """Whether the member has only the projects in which they are named. Who manages
    projects has all of them, whatever is set for them."""
    manages = roles.may(membership.role, Permission.MANAGE_PROJECTS)
    return membership.is_limited and not manages


def may_use(membership: Membership, project_id: int) -> bool:
    """Whether the member sees and makes their keys in the project."""
    if not is_limited(membership):
        return True
    # `tenancy.enter` has read these: a list of keys asks for each of its rows.
    named = membership.named_projects.all()
    return any(each.project_id == project_id for each in named)


def projects_of(membership: Membership) -> QuerySet[Project]:
    """The projects that they may use, archived ones too."""
    everywhere = Q(organization_id=membership.organization_id)
    if is_limited(membership):
        everywhere &= Q(named_members__membership=membership)
    return Project.objects.filter(everywhere)


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
