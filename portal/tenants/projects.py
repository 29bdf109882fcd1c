"""Projects: an organization's keys each belong to one. Every organization has one.

An archived project's keys are refused on their very next call: the hold's own
transaction reads the project's unit.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from billing import spenders
from billing.models.account import UnitKind
from portal.models import Membership, Organization, Project
from portal.tenants import audit, heirs, names, policy
from portal.tenants.errors import DefaultProject, NameTaken, UnfitHeir
from portal.tenants.members import lock as lock_organization
from portal.tenants.roles import Permission


def default_of(organization: Organization) -> Project:
    """The project that keys belong to when nobody names one."""
    return organization.projects.get(is_default=True)


@transaction.atomic
def create(organization: Organization, name: str, *, actor: audit.Actor) -> Project:
    """Raises: NotAllowed, InvalidName, NameTaken."""
    lock_organization(organization.id)
    policy.require(actor, organization.id, Permission.MANAGE_PROJECTS)
    name = names.clean(name)
    refuse_taken(organization.id, name)
    slugs = organization.projects.values_list("slug", flat=True)
    project = store(
        organization, name, names.free_slug(names.slug_of(name, "project"), slugs)
    )
    project.owner = policy.membership_of(actor, organization.id) if actor.user else None
    project.save(update_fields=["owner"])
    audit.record(
        "project.create",
        actor=actor,
        organization=organization,
        target=project.slug,
        name=name,
    )
    return project


@transaction.atomic
def rename(project: Project, name: str, *, actor: audit.Actor) -> None:
    """Call it so from the next call on; earlier ones keep the name they were made
    under, and its slug stays. Raises: NotAllowed, InvalidName, NameTaken."""
    lock_organization(project.organization_id)
    policy.require(actor, project.organization_id, Permission.MANAGE_PROJECTS)
    project.refresh_from_db(fields=["name"])
    name, before = names.clean(name), project.name
    if name == before:
        return
    refuse_taken(project.organization_id, name)
    project.name = name
    project.save(update_fields=["name"])
    spenders.rename_unit(project.unit_id, name)
    record(
        "project.rename", project, actor, before={"name": before}, after={"name": name}
    )


@transaction.atomic
def set_owner(
    project: Project, owner: Membership | None, *, actor: audit.Actor
) -> None:
    """Say who answers for the project, and gets the keys of those who leave it; None:
    nobody. Raises: NotAllowed, UnfitHeir for who could not hold its keys."""
    lock_organization(project.organization_id)
    policy.require(actor, project.organization_id, Permission.MANAGE_PROJECTS)
    if owner is not None:
        found = project.organization.memberships.select_for_update(no_key=True)
        owner = found.filter(pk=owner.pk).first()
        if owner is None or not heirs.may_inherit(owner, project.pk):
            raise UnfitHeir
    project = lock(project)
    before = project.owner
    if before == owner:
        return
    project.owner = owner
    project.save(update_fields=["owner"])
    record(
        "project.set_owner",
        project,
        actor,
        before={"owner": before.user.email if before else None},
        after={"owner": owner.user.email if owner else None},
    )


@transaction.atomic
def archive(project: Project, *, actor: audit.Actor) -> None:
    """Refuse its keys until it is restored; again changes nothing.

    Raises: NotAllowed, DefaultProject.
    """
    policy.require(actor, project.organization_id, Permission.MANAGE_PROJECTS)
    project = lock(project)
    if project.is_default:
        raise DefaultProject
    if project.archived_at is None:
        project.archived_at = timezone.now()
        project.save(update_fields=["archived_at"])
        spenders.set_unit_open(project.unit_id, is_open=False)
        record("project.archive", project, actor)


@transaction.atomic
def restore(project: Project, *, actor: audit.Actor) -> None:
    """Let its keys work again; again changes nothing. Raises: NotAllowed."""
    policy.require(actor, project.organization_id, Permission.MANAGE_PROJECTS)
    project = lock(project)
    if project.archived_at is not None:
        project.archived_at = None
        project.save(update_fields=["archived_at"])
        spenders.set_unit_open(project.unit_id, is_open=True)
        record("project.restore", project, actor)


def record(action: str, project: Project, actor: audit.Actor, **detail: object) -> None:
    audit.record(
        action,
        actor=actor,
        organization=project.organization,
        target=project.slug,
        **detail,
    )


def lock(project: Project) -> Project:
    return Project.objects.select_for_update(no_key=True).get(pk=project.pk)


def refuse_taken(organization_id: int, name: str) -> None:
    """Two projects of one name could not be told apart where only names are shown."""
    if Project.objects.filter(organization_id=organization_id, name=name).exists():
        raise NameTaken


def store(
    organization: Organization, name: str, slug: str, *, is_default: bool = False
) -> Project:
    """The row, with its unit."""
    unit = spenders.open_unit(organization.account_id, UnitKind.PROJECT, name)
    return organization.projects.create(
        name=name, slug=slug, is_default=is_default, unit=unit
    )
