"""Making, changing, suspending and reopening organizations."""

from __future__ import annotations

from django.db import transaction

from billing import accounts, budgets
from billing.models import Account
from portal.models import Organization, Role, User
from portal.tenants import audit, members, names, policy, projects
from portal.tenants.budgets import refuse_own_windows
from portal.tenants.errors import InvalidTimeZone
from portal.tenants.roles import Permission


@transaction.atomic
def create(
    name: str,
    *,
    owner: User,
    actor: audit.Actor,
    price_factor_ppm: int = 1_000_000,
    bootstrapped_as: str | None = None,
) -> Organization:
    """An organization with its account, its default project and its first owner.

    `price_factor_ppm`: parts per million of the upstream's price; 1,000,000 resells
    at cost.

    Raises: NotAllowed for all but the operator; InvalidName; IntegrityError when
    another one was bootstrapped under the same name.
    """
    policy.require_operator(actor)
    name = names.clean(name)
    account = accounts.open_organization(name, price_factor_ppm=price_factor_ppm)
    organization = Organization.objects.create(
        name=name,
        slug=free_slug(name),
        account=account,
        bootstrapped_as=bootstrapped_as,
    )
    projects.store(organization, "Default", "default", is_default=True)
    members.store(organization, owner, Role.OWNER)
    audit.record(
        "organization.create",
        actor=actor,
        organization=organization,
        owner=owner.email,
    )
    return organization


def free_slug(name: str) -> str:
    """`name`'s slug, or the first of -2, -3 … that nobody has. Many names share one
    slug: find nothing by it.

    Two creations at the same instant may choose the same one: the unique column
    refuses the second, whose caller sees an IntegrityError and nothing half-made.
    """
    wanted = names.slug_of(name, "organization")
    alike = Organization.objects.filter(slug__startswith=wanted[:50])
    return names.free_slug(wanted, alike.values_list("slug", flat=True))


@transaction.atomic
def change(
    organization: Organization,
    *,
    actor: audit.Actor,
    name: str | None = None,
    stores_replies: bool | None = None,
    time_zone: str | None = None,
) -> bool:
    """Change what is given; True if anything differs from before.

    The slug stays: it is in links that people have kept. In the time zone its days
    begin, on pages and in its budgets (`billing.budgets.set_time_zone`).

    Raises: NotAllowed, OwnLimit, InvalidName, InvalidTimeZone; AccountLocked.
    """
    current = Organization.objects.select_for_update(no_key=True).get(
        pk=organization.pk
    )
    policy.require(actor, current.pk, Permission.MANAGE_ORGANIZATION)
    wanted = {
        "name": None if name is None else names.clean(name),
        "stores_replies": stores_replies,
        "time_zone": time_zone,
    }
    before = {
        "name": current.name,
        "stores_replies": current.stores_replies,
        "time_zone": Account.objects.get(id=current.account_id).time_zone,
    }
    after = {
        field: value
        for field, value in wanted.items()
        if value is not None and value != before[field]
    }
    if not after:
        return False
    if time_zone is not None and "time_zone" in after:
        _set_time_zone(current, time_zone, actor)
    own = {field: value for field, value in after.items() if field != "time_zone"}
    if own:
        Organization.objects.filter(pk=current.pk).update(**own)
    audit.record(
        "organization.change",
        actor=actor,
        organization=organization,
        before={field: before[field] for field in after},
        after=after,
    )
    return True


def _set_time_zone(organization: Organization, name: str, actor: audit.Actor) -> None:
    """Raises: OwnLimit, InvalidTimeZone."""
    refuse_own_windows(organization, actor)
    try:
        budgets.set_time_zone(organization.account_id, name)
    except ValueError as error:
        raise InvalidTimeZone from error


@transaction.atomic
def suspend(organization: Organization, *, reason: str, actor: audit.Actor) -> None:
    """Refuse the organization's calls from the very next one on; pages stay open.
    Again changes nothing.

    Raises: NotAllowed for all but the operator.
    """
    policy.require_operator(actor)
    if accounts.suspend(organization.account_id):
        audit.record(
            "organization.suspend",
            actor=actor,
            organization=organization,
            reason=reason,
        )


@transaction.atomic
def reopen(organization: Organization, *, actor: audit.Actor) -> None:
    """Take calls again; again changes nothing. Raises: NotAllowed for all but the
    operator."""
    policy.require_operator(actor)
    if accounts.reopen(organization.account_id):
        audit.record("organization.reopen", actor=actor, organization=organization)
