"""Service accounts: holders of keys that are no persons.

A disabled one's keys are refused on their very next call: the hold's own transaction
reads its unit.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from billing import spenders
from billing.models.account import UnitKind
from portal.models import Organization, ServiceAccount
from portal.tenants import audit, names, policy
from portal.tenants.errors import NameTaken
from portal.tenants.members import lock as lock_organization
from portal.tenants.roles import Permission


@transaction.atomic
def create(
    organization: Organization, name: str, *, actor: audit.Actor
) -> ServiceAccount:
    """Raises: NotAllowed, InvalidName, NameTaken."""
    lock_organization(organization.id)
    policy.require(actor, organization.id, Permission.MANAGE_SERVICE_ACCOUNTS)
    name = names.clean(name)
    refuse_taken(organization.id, name)
    unit = spenders.open_unit(organization.account_id, UnitKind.SERVICE_ACCOUNT, name)
    account = organization.service_accounts.create(
        name=name, unit=unit, created_by=actor.user
    )
    record("service_account.create", account, actor)
    return account


@transaction.atomic
def rename(account: ServiceAccount, name: str, *, actor: audit.Actor) -> None:
    """Call it so from the next call on; earlier ones keep the name they were made
    under. Raises: NotAllowed, InvalidName, NameTaken."""
    lock_organization(account.organization_id)
    policy.require(actor, account.organization_id, Permission.MANAGE_SERVICE_ACCOUNTS)
    account.refresh_from_db(fields=["name"])
    name, before = names.clean(name), account.name
    if name == before:
        return
    refuse_taken(account.organization_id, name)
    account.name = name
    account.save(update_fields=["name"])
    spenders.rename_unit(account.unit_id, name)
    record("service_account.rename", account, actor, before=before)


@transaction.atomic
def disable(account: ServiceAccount, *, actor: audit.Actor) -> None:
    """Refuse its keys until `enable`; again changes nothing. Raises: NotAllowed."""
    set_disabled(account, timezone.now(), "service_account.disable", actor)


@transaction.atomic
def enable(account: ServiceAccount, *, actor: audit.Actor) -> None:
    """Let its keys work again; again changes nothing. Raises: NotAllowed."""
    set_disabled(account, None, "service_account.enable", actor)


def set_disabled(
    account: ServiceAccount, since: datetime | None, action: str, actor: audit.Actor
) -> None:
    policy.require(actor, account.organization_id, Permission.MANAGE_SERVICE_ACCOUNTS)
    account = ServiceAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
    if (account.disabled_at is None) == (since is None):
        return
    account.disabled_at = since
    account.save(update_fields=["disabled_at"])
    spenders.set_unit_open(account.unit_id, is_open=since is None)
    record(action, account, actor)


def record(
    action: str, account: ServiceAccount, actor: audit.Actor, **detail: str
) -> None:
    audit.record(
        action,
        actor=actor,
        organization=account.organization,
        target=account.name,
        **detail,
    )


def refuse_taken(organization_id: int, name: str) -> None:
    taken = ServiceAccount.objects.filter(organization_id=organization_id, name=name)
    if taken.exists():
        raise NameTaken
