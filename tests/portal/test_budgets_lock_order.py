"""Who changes a limit locks an account's rows in the order in which calls do."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connections

from billing.models import Account
from portal.models import Organization, Role, User
from tests.support.cast import actor_of, make_member, make_organization, make_user
from tests.support.portal.limited import OF_BUDGETS
from tests.support.waiting import wait_for

LOCK = "SELECT id FROM billing_account WHERE id = %s FOR UPDATE"
WHO_WAITS = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@dataclass
class Scene:
    organization: Organization
    owner: User


@pytest.fixture
def scene(committed_db: None) -> Scene:
    owner = make_user(f"{uuid4().hex}@example.com")
    return Scene(make_organization(f"Org {uuid4().hex}", owner), owner)


@pytest.mark.postgres_only
@pytest.mark.parametrize("name", OF_BUDGETS)
def test_no_change_of_a_limit_deadlocks_with_a_call(scene: Scene, name: str) -> None:
    """A call locks the usage account, and then the organization's."""
    account = Account.objects.get(id=scene.organization.account_id)
    usage = account.usage_account
    assert usage is not None
    assert usage.id < account.id
    admin = make_member(scene.organization, f"{uuid4().hex}@example.com", Role.ADMIN)
    change = OF_BUDGETS[name][0](scene)

    def changed() -> Any:
        try:
            return change(actor_of(admin))
        finally:
            connections.close_all()

    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(os.environ["DATABASE_URL"]) as caller,
        psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as observer,
    ):
        caller.execute(LOCK, [usage.id])
        done = pool.submit(changed)
        wait_for(lambda: done.done() or observer.execute(WHO_WAITS).fetchone() != (0,))
        if not done.done():
            caller.execute("SET lock_timeout = '60s'")
            caller.execute(LOCK, [account.id])
        caller.rollback()
        done.result()
