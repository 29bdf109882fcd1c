"""Whoever closes a key gets back at once what its runs have set aside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from billing import envelopes
from billing.models import Account
from billing.runs import Run
from billing.values.orders import CREDIT
from portal.models import ApiKey, AuditEvent, Organization, User
from portal.tenants import key_format, keys, members, runs
from portal.tenants.runs import Asking, Wanted
from tests.support.cast import OPERATOR, make_key, make_organization, make_user
from tests.support.ledger.locks import ledger_locked
from tests.support.ledger.payers import wrong_in_the_ledger

DAYS = timedelta(days=30)


def opened(key: ApiKey, credits: int) -> tuple[Run, ApiKey]:
    wanted = Wanted(credits * CREDIT, timezone.now() + DAYS)
    asking, secret = Asking(key.id), key_format.generate()
    run, own, _ = runs.open_run(wanted, uuid4(), secret, asking=asking)
    return run, own


def held(organization: Organization) -> int:
    """In credits."""
    account = Account.objects.get(id=organization.account_id)
    return account.held_micros // CREDIT


def remove_holder(key: ApiKey) -> None:
    holder = key.organization.memberships.get(unit=key.spender.holder_id)
    members.remove(holder, actor=OPERATOR)


CLOSINGS: dict[str, Callable[[ApiKey], object]] = {
    "revoked": lambda key: keys.revoke(key, actor=OPERATOR),
    "rotated": lambda key: keys.rotate(key, timedelta(0), actor=OPERATOR),
    "holder removed": remove_holder,
}


@pytest.mark.parametrize("how", CLOSINGS)
def test_what_its_runs_set_aside_comes_back(
    organization: Organization, bob: User, how: str
) -> None:
    key, _ = make_key(organization, bob)
    other, _ = make_key(organization, bob, "phone")
    _, own = opened(key, 40)
    opened(own, 10)
    opened(other, 5)
    assert held(organization) == 45
    CLOSINGS[how](key)
    assert held(organization) == (0 if how == "holder removed" else 5)
    assert wrong_in_the_ledger() == []


def test_a_run_ends_with_its_own_key(organization: Organization, bob: User) -> None:
    key, _ = make_key(organization, bob)
    run, own = opened(key, 40)
    keys.revoke(own, actor=OPERATOR)
    assert held(organization) == 0
    assert envelopes.look(run.envelope_id).status == "closed"


def test_a_run_lasts_no_longer_than_the_key_that_opens_it(
    organization: Organization, bob: User
) -> None:
    expires_at = timezone.now() + timedelta(hours=2)
    key, _ = make_key(organization, bob, expires_at=expires_at)
    run, own = opened(key, 40)
    assert run.expires_at == expires_at
    inner, _ = opened(own, 10)
    assert inner.expires_at == expires_at


@pytest.mark.postgres_only
def test_a_key_is_revoked_though_somebody_keeps_the_account_locked(
    committed_db: None,
) -> None:
    name = f"Org {uuid4().hex}"
    owner = make_user(f"{uuid4().hex}@example.com")
    organization = make_organization(name, owner)
    key, secret = make_key(organization, owner)
    opened(key, 40)
    with ledger_locked(organization.account_id):
        keys.revoke(key, actor=OPERATOR)
    assert held(organization) == 40
    assert AuditEvent.objects.filter(action="api_key.revoke", target=str(key)).exists()
    envelopes.expire_due()
    assert held(organization) == 0
