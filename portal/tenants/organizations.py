"""Making, changing, suspending and reopening organizations."""

from __future__ import annotations

from django.conf import settings
from django.db import IntegrityError, transaction

from billing import accounts, budgets
from billing.models import Account
from portal.models import Organization, Role, User
from portal.tenants import audit, members, names, policy, projects, slugs
from portal.tenants.budgets import refuse_own_windows
from portal.tenants.errors import (
    InvalidTimeZone,
    NotAllowed,
    SlugTaken,
    TooManyOrganizations,
)
from portal.tenants.roles import Permission

OWNED_MAX = 20  # organizations that one person may own and make more
SLUG_TRIES = 5


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
    return _opened(names.clean(name), owner, actor, price_factor_ppm, bootstrapped_as)


def may_create_own() -> bool:
    """Whether people make organizations by themselves."""
    return bool(settings.SIGNUP == "open" or settings.OWN_ORGANIZATIONS)


@transaction.atomic
def create_own(name: str, *, actor: audit.Actor) -> Organization:
    """An organization that the person who acts owns, with no credits.

    Raises: NotAllowed where nobody makes their own; InvalidName;
    TooManyOrganizations; IntegrityError when others took its slug again and again.
    """
    if actor.user is None or not may_create_own():
        raise NotAllowed
    name = names.clean(name)
    owner = User.objects.select_for_update(no_key=True).get(pk=actor.user.pk)
    owned = owner.memberships.filter(role=Role.OWNER)
    if owned.count() >= OWNED_MAX:
        raise TooManyOrganizations
    return _opened(name, owner, actor)


def _opened(
    name: str,
    owner: User,
    actor: audit.Actor,
    price_factor_ppm: int = 1_000_000,
    bootstrapped_as: str | None = None,
) -> Organization:
    """Under another slug, where somebody takes the free one at this very moment."""
    for _ in range(SLUG_TRIES - 1):
        try:
            with transaction.atomic():
                return _store(name, owner, actor, price_factor_ppm, bootstrapped_as)
        except IntegrityError:
            if bootstrapped_as is not None:  # its own name may be what is taken
                raise
    return _store(name, owner, actor, price_factor_ppm, bootstrapped_as)


def _store(
    name: str,
    owner: User,
    actor: audit.Actor,
    price_factor_ppm: int,
    bootstrapped_as: str | None,
) -> Organization:
    account = accounts.open_organization(name, price_factor_ppm=price_factor_ppm)
    organization = Organization.objects.create(
        name=name,
        slug=slugs.free(name),
        account=account,
        bootstrapped_as=bootstrapped_as,
    )
    project = projects.store(organization, "Default", "default", is_default=True)
    project.owner = members.store(organization, owner, Role.OWNER)
    project.save(update_fields=["owner"])
    audit.record(
        "organization.create",
        actor=actor,
        organization=organization,
        owner=owner.email,
    )
    return organization


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

    The slug is another matter: `change_slug`. In the time zone its days begin, on
    pages and in its budgets (`billing.budgets.set_time_zone`).

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
def change_slug(organization: Organization, slug: str, *, actor: audit.Actor) -> bool:
    """Another address of its pages; True if it differs from before. The one it had
    stays its own and leads its members to the new one.

    Raises: NotAllowed, InvalidSlug, SlugTaken.
    """
    members.lock(organization.pk)
    policy.require(actor, organization.pk, Permission.MANAGE_ORGANIZATION)
    current = Organization.objects.get(pk=organization.pk)
    before = current.slug
    if slug == before:
        return False
    slugs.check(slug, current)
    current.former_slugs.filter(slug=slug).delete()
    current.slug = slug
    try:
        with transaction.atomic():
            current.save(update_fields=["slug"])
            current.former_slugs.create(slug=before)
    except IntegrityError as error:  # taken at this very moment
        raise SlugTaken from error
    audit.record(
        "organization.change_slug",
        actor=actor,
        organization=current,
        before={"slug": before},
        after={"slug": slug},
    )
    organization.slug = slug
    return True


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
