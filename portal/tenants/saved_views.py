"""Views of usage that somebody saved: making, renaming, sharing and deleting one.

Everybody has their own. Who sees the organization's usage may share theirs with it, and
who manages the organization may rename and delete what others have shared.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.models import Organization, SavedView
from portal.tenants import audit, names, policy
from portal.tenants.errors import NotAllowed, PortalError
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

EACH_MAX = 50  # of one person


class NameTaken(PortalError):
    message = "You have a view of this name already."


class TooManyViews(PortalError):
    message = f"You have {EACH_MAX} views. Delete one before you save another."


def listed(tenant: Tenant) -> list[SavedView]:
    """Their own and what others share, by name."""
    own = Q(created_by=tenant.user) | Q(is_shared=True)
    views = SavedView.objects.filter(
        own, organization=tenant.organization, deleted_at=None
    )
    return list(views.select_related("created_by").order_by("name", "id"))


def may_change(tenant: Tenant, view: SavedView) -> bool:
    is_own = view.created_by_id == tenant.user.pk
    return is_own or (view.is_shared and tenant.may(Permission.MANAGE_ORGANIZATION))


@transaction.atomic
def save(
    organization: Organization,
    name: str,
    query: str,
    *,
    is_shared: bool,
    actor: audit.Actor,
) -> SavedView:
    """Keep it. The same again, by a double click, is the one that there is.

    Raises: NotAllowed, InvalidName, NameTaken, TooManyViews.
    """
    _require(actor, organization, is_shared=is_shared)
    name = names.clean(name)
    assert actor.user is not None, "as required"
    own = _own(organization, actor)
    if earlier := own.filter(name=name).first():
        if (earlier.query, earlier.is_shared) == (query, is_shared):
            return earlier
        raise NameTaken
    if own.count() >= EACH_MAX:
        raise TooManyViews
    view = SavedView.objects.create(
        organization=organization,
        created_by=actor.user,
        name=name,
        query=query,
        is_shared=is_shared,
    )
    _record("saved_view.create", view, actor, query=query, is_shared=is_shared)
    return view


@transaction.atomic
def change(view: SavedView, name: str, *, is_shared: bool, actor: audit.Actor) -> bool:
    """Give it another name, or share it; whether that changed anything.

    Raises: NotAllowed, InvalidName, NameTaken; SavedView.DoesNotExist once deleted.
    """
    view = _locked(view, actor)
    if is_shared and not view.is_shared:
        _require(actor, view.organization, is_shared=True)
    name = names.clean(name)
    before = {"name": view.name, "is_shared": view.is_shared}
    after = {"name": name, "is_shared": is_shared}
    if before == after:
        return False
    others = SavedView.objects.filter(
        organization=view.organization,
        created_by=view.created_by_id,
        deleted_at=None,
        name=name,
    )
    if others.exclude(pk=view.pk).exists():
        raise NameTaken
    view.name, view.is_shared = name, is_shared
    view.save(update_fields=["name", "is_shared"])
    _record("saved_view.change", view, actor, before=before, after=after)
    return True


@transaction.atomic
def delete(view: SavedView, *, actor: audit.Actor) -> bool:
    """False when that was done before. Raises: NotAllowed."""
    try:
        view = _locked(view, actor)
    except SavedView.DoesNotExist:
        return False
    view.deleted_at = timezone.now()
    view.save(update_fields=["deleted_at"])
    _record("saved_view.delete", view, actor)
    return True


def _locked(view: SavedView, actor: audit.Actor) -> SavedView:
    """As it is now. Raises: NotAllowed; SavedView.DoesNotExist once deleted."""
    policy.require(actor, view.organization_id, Permission.SEE_OWN_USAGE)
    rows = SavedView.objects.select_for_update(of=("self",), no_key=True)
    found = rows.select_related("organization").get(pk=view.pk, deleted_at=None)
    if actor.user is None or found.created_by_id != actor.user.pk:
        if not found.is_shared:
            raise NotAllowed
        policy.require(actor, found.organization_id, Permission.MANAGE_ORGANIZATION)
    return found


def _own(organization: Organization, actor: audit.Actor) -> QuerySet[SavedView]:
    return SavedView.objects.filter(
        organization=organization, created_by=actor.user, deleted_at=None
    )


def _require(
    actor: audit.Actor, organization: Organization, *, is_shared: bool
) -> None:
    """Raises: NotAllowed. A view is a person's."""
    if actor.user is None:
        raise NotAllowed
    needed = Permission.SEE_USAGE if is_shared else Permission.SEE_OWN_USAGE
    policy.require(actor, organization.pk, needed)


def _record(action: str, view: SavedView, actor: audit.Actor, **detail: object) -> None:
    audit.record(
        action,
        actor=actor,
        organization=view.organization,
        target=view.name,
        view=view.pk,
        **detail,
    )
