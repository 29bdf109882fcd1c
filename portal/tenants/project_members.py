"""Who may use which projects: all of them, or only those in which they are named.

A developer who loses a project loses sight of the keys they hold there. Each of these
goes to the heir that is named for it, else to the project's owner; where neither can
hold it, it is revoked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from django.db import transaction

from portal.models import ApiKey, Membership, Organization, Project, ProjectMember
from portal.tenants import audit, heirs, policy
from portal.tenants.errors import NotAllowed, WorksEverywhere
from portal.tenants.keys import Holder
from portal.tenants.members import lock as lock_organization
from portal.tenants.roles import Permission

# The id of a key: its heir, or None to revoke it.
Wishes = Mapping[UUID, Holder | None]


@transaction.atomic
def limit(
    membership: Membership,
    projects: Collection[Project] | None,
    *,
    actor: audit.Actor,
    wishes: Wishes | None = None,
) -> bool:
    """Let a member use these projects only, maybe none; None: all, also future ones.
    True if anything differs from before.

    Raises: NotAllowed, UnfitHeir, AccountLocked.
    """
    membership = _locked(membership, actor)
    wanted = None if projects is None else {each.pk for each in projects}
    return _change(membership, wanted, wishes or {}, actor)


@transaction.atomic
def join(project: Project, membership: Membership, *, actor: audit.Actor) -> bool:
    """Name a limited member in one more project; whoever uses all needs no name.

    Raises: NotAllowed.
    """
    membership = _locked(membership, actor)
    if not membership.is_limited:
        return False
    return _change(membership, _named(membership) | {project.pk}, {}, actor)


@transaction.atomic
def leave(
    project: Project,
    membership: Membership,
    *,
    actor: audit.Actor,
    wishes: Wishes | None = None,
) -> bool:
    """Take a limited member out of one project; again changes nothing.

    Raises: NotAllowed, WorksEverywhere, UnfitHeir, AccountLocked.
    """
    membership = _locked(membership, actor)
    if not membership.is_limited:
        raise WorksEverywhere
    return _change(membership, _named(membership) - {project.pk}, wishes or {}, actor)


def lost_keys(
    membership: Membership, projects: Collection[Project] | None
) -> list[ApiKey]:
    """The keys that `limit` would take from the member, for a page that asks first."""
    limited = Membership(
        pk=membership.pk, role=membership.role, is_limited=projects is not None
    )
    if not policy.is_limited(limited):
        return []
    kept = [each.pk for each in projects or ()]
    held = heirs.of_people(heirs.held_by(membership))
    return list(held.exclude(project__in=kept))


def owner_of(project: Project, leaving: Membership) -> Membership | None:
    """Who gets the keys of somebody who leaves the project, if anybody can."""
    owner = project.owner
    if owner is None or owner.pk == leaving.pk:
        return None
    return owner if heirs.may_inherit(owner, project.pk) else None


def name_in(membership: Membership, projects: Collection[Project]) -> None:
    """The rows of a new member, as a part of making them one."""
    ProjectMember.objects.bulk_create(
        ProjectMember(membership=membership, project=project) for project in projects
    )


def _locked(membership: Membership, actor: audit.Actor) -> Membership:
    """As it is now, of who may be given projects by the actor. Raises: NotAllowed."""
    lock_organization(membership.organization_id)
    policy.require(actor, membership.organization_id, Permission.MANAGE_PROJECTS)
    found = Membership.objects.select_for_update(no_key=True, of=("self",))
    current = found.select_related("user", "organization").filter(pk=membership.pk)
    if (member := current.first()) is None:
        raise NotAllowed("They are no member any more.")
    policy.require_assignment(actor, member.organization_id, member.role)
    return member


def _change(
    membership: Membership,
    wanted: set[int] | None,
    wishes: Wishes,
    actor: audit.Actor,
) -> bool:
    organization = membership.organization
    before = _slugs(organization, membership)
    known = organization.projects.filter(pk__in=wanted or ())
    if wanted is not None and known.count() != len(wanted):
        raise NotAllowed
    named = membership.named_projects
    membership.is_limited = wanted is not None
    membership.save(update_fields=["is_limited"])
    named.exclude(project__in=wanted or ()).delete()
    missing = known.exclude(named_members__membership=membership)
    name_in(membership, list(missing))
    after = _slugs(organization, membership)
    if after == before:
        return False
    lost = heirs.held_by(membership)
    if not policy.is_limited(membership):
        lost = lost.none()
    lost = lost.exclude(project__in=wanted or ()).select_related("project__owner")
    found = {key.pk: owner_of(key.project, membership) for key in heirs.of_people(lost)}
    chosen = {**found, **{pk: heir for pk, heir in wishes.items() if pk in found}}
    heirs.leave(lost, {pk: heir for pk, heir in chosen.items() if heir}, actor=actor)
    audit.record(
        "member.limit",
        actor=actor,
        organization=organization,
        target=membership.user.email,
        before={"projects": before},
        after={"projects": after},
    )
    return True


def _named(membership: Membership) -> set[int]:
    return set(membership.named_projects.values_list("project_id", flat=True))


def _slugs(organization: Organization, membership: Membership) -> list[str] | str:
    """For the audit trail."""
    if not membership.is_limited:
        return "all"
    named = organization.projects.filter(named_members__membership=membership)
    return list(named.order_by("slug").values_list("slug", flat=True))
