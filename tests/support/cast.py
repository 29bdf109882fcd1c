"""The fixed cast: alice owns an organization, bob is its member, mallory is another's.

Fixtures and factories only; a pytest plugin, loaded when models can be imported.
Tests with `committed_db` call the factories with names of their own.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from billing import grants, holds
from billing.models.grant import GrantSource
from billing.values.orders import CREDIT, Place, Placed, Settle, Usage
from portal.models import ApiKey, Organization, Role, User
from portal.tenants import audit, keys, members, organizations, projects

PASSWORD = "correct horse battery staple"
OPERATOR = audit.Actor(None, "test")


def make_user(email: str, password: str | None = None) -> User:
    """Without a password for `client.force_login`, which costs no hashing."""
    return User.objects.create_user(email, password)


def make_organization(name: str, owner: User, *, credits: int = 1000) -> Organization:
    """An organization with this many credits; 0 for none at all."""
    organization = organizations.create(name, owner=owner, actor=OPERATOR)
    if credits:
        grants.issue(
            organization.account_id,
            credits * CREDIT,
            source=GrantSource.PURCHASE,
            reference=f"test:{organization.slug}",
        )
    return organization


def make_member(organization: Organization, email: str, role: Role) -> User:
    user = make_user(email)
    members.add(organization, user, role, actor=OPERATOR)
    return user


def make_key(
    organization: Organization,
    creator: User,
    name: str = "laptop",
    *,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A key of the default project, and its secret."""
    project = projects.default_of(organization)
    return keys.issue(project, name, actor=actor_of(creator), expires_at=expires_at)


def make_call(key: ApiKey, *, charged: int = 3, model: str = "openai/gpt-4o") -> str:
    """A finished call in the ledger, of this many credits; its hold's id."""
    hold_id = uuid4().hex
    account_id = key.organization.account_id
    place = Place(
        hold_id=hold_id,
        account_id=account_id,
        spender_id=key.spender_id,
        bound_micros=2 * charged * CREDIT,
        operation="chat",
        model=model,
        due_at=timezone.now() + timedelta(minutes=10),
    )
    usage = Usage("upstream", charged * CREDIT, prompt_tokens=5, completion_tokens=7)
    outcomes = [
        *holds.commit([place]),
        *holds.commit([Settle(hold_id, account_id, usage)]),
    ]
    assert isinstance(outcomes[0], Placed), outcomes
    return hold_id


def actor_of(user: User) -> audit.Actor:
    return audit.Actor(user, user.email, "192.0.2.7")


@pytest.fixture
def alice(db: None) -> User:
    """Owns `organization`."""
    return make_user("alice@example.com")


@pytest.fixture
def organization(alice: User) -> Organization:
    """Acme, alice's, with 1,000 credits."""
    return make_organization("Acme", alice)


@pytest.fixture
def bob(organization: Organization) -> User:
    """A developer of `organization`."""
    return make_member(organization, "bob@example.com", Role.DEVELOPER)


@pytest.fixture
def mallory(db: None) -> User:
    """A stranger: owns an organization of her own."""
    user = make_user("mallory@example.net")
    make_organization("Elsewhere", user)
    return user
