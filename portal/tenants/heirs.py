"""Keys whose holder leaves: each gets another holder, its heir, or is revoked.

A key that is handed over keeps its id, its secret and its limits. Its next call counts
to the heir, in their limits; what it has spent and what runs stays with who held it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from billing import spenders
from portal.models import ApiKey, Membership, Organization, ServiceAccount
from portal.tenants import audit, keys, policy, roles
from portal.tenants.errors import UnfitHeir
from portal.tenants.keys import Holder
from portal.tenants.roles import Permission

# The id of a key: who holds it from now on.
Heirs = Mapping[UUID, Holder]


def held_by(holder: Holder) -> QuerySet[ApiKey]:
    """The keys that are not revoked, those of their runs among them."""
    return ApiKey.objects.filter(
        organization_id=holder.organization_id,
        spender__holder=holder.unit_id,
        revoked_at=None,
    ).order_by("created_at", "pk")


def of_people(found: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
    """Those that people know: the keys of runs go wherever their parents do."""
    known = found.filter(spender__parent=None)
    return known.select_related("project", "spender")


def candidates(organization: Organization, leaving: Membership) -> list[Holder]:
    """Who may get keys of somebody who leaves: members by name, service accounts."""
    accounts = organization.service_accounts.filter(disabled_at=None)
    members = organization.memberships.filter(disabled_at=None, user__is_active=True)
    others = members.exclude(pk=leaving.pk).select_related("user", "unit")
    named = others.prefetch_related("named_projects").order_by("user__email")
    holders = [each for each in named if _makes_keys(each)]
    return [*holders, *accounts.select_related("unit").order_by("name")]


def may_inherit(holder: Holder, project_id: int) -> bool:
    """Whether a key of the project may become the holder's."""
    if holder.disabled_at is not None:
        return False
    if isinstance(holder, ServiceAccount):
        return True
    return _makes_keys(holder) and policy.may_use(holder, project_id)


def _makes_keys(membership: Membership) -> bool:
    return roles.may(membership.role, Permission.CREATE_KEYS)


@transaction.atomic
def hand_over(key: ApiKey, heir: Holder, *, actor: audit.Actor) -> None:
    """Let somebody else hold one key. Raises: NotAllowed, UnfitHeir, AccountLocked."""
    # Two who hand keys to each other must not wait for each other's memberships.
    Organization.objects.select_for_update(no_key=True).get(pk=key.organization_id)
    policy.require(actor, key.organization_id, Permission.REVOKE_ANY_KEY)
    leave([key], {key.pk: heir}, actor=actor)


def leave(chosen: Iterable[ApiKey], heirs: Heirs, *, actor: audit.Actor) -> None:
    """Hand over the keys that have an heir, and revoke the others with their runs, as a
    part of another change, which has asked the policy for the whole.

    Everything is locked before the ledger's account is: a call waits for that.

    Raises: UnfitHeir, AccountLocked.
    """
    by_id = {key.pk: key for key in chosen}
    wanted = {key_id: heir for key_id, heir in heirs.items() if key_id in by_id}
    known = {_name(heir): _locked(heir) for heir in _in_order(wanted.values())}
    locked = {key_id: keys.lock(key) for key_id, key in sorted(by_id.items())}
    inherited: dict[tuple[str, int], list[ApiKey]] = {}
    for key_id, heir in wanted.items():
        key, holder = locked[key_id], known[_name(heir)]
        fits = holder is not None and may_inherit(holder, key.project_id)
        if not fits or heir.organization_id != key.organization_id or key.is_revoked:
            raise UnfitHeir
        inherited.setdefault(_name(heir), []).append(key)
    gone: set[int] = set()
    for name, group in inherited.items():
        if (holder := known[name]) is not None:
            gone |= _give(group, holder, actor)
    keys.close(
        *(key for key in locked.values() if key.spender_id not in gone), actor=actor
    )


def _give(group: list[ApiKey], holder: Holder, actor: audit.Actor) -> set[int]:
    """The spenders that changed hands with these keys of one organization."""
    organization = group[0].organization
    before = {key.pk: key.spender.holder.label for key in group if key.spender.holder}
    changed = spenders.hand_over(
        organization.account_id, keys.spender_ids(*group), holder.unit_id
    )
    account = holder if isinstance(holder, ServiceAccount) else None
    # With those of their runs.
    ApiKey.objects.filter(spender__in=changed).update(service_account=account)
    for key in group:
        if key.spender.holder_id == holder.unit_id:
            continue  # theirs already
        audit.record(
            "api_key.hand_over",
            actor=actor,
            organization=organization,
            target=str(key),
            key_id=str(key.pk),
            before={"holder": before.get(key.pk, "")},
            after={"holder": holder.unit.label},
        )
    return changed


def _name(holder: Holder) -> tuple[str, int]:
    return type(holder).__name__, holder.pk


def _in_order(holders: Iterable[Holder]) -> list[Holder]:
    """Members first, each kind by id: as everybody locks them."""
    return [each for _, each in sorted({_name(each): each for each in holders}.items())]


def _locked(holder: Holder) -> Holder | None:
    """As it is now; None when it is gone."""
    found = type(holder).objects.select_for_update(of=("self",), no_key=True)
    return found.select_related("unit").filter(pk=holder.pk).first()
