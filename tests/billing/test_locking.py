"""Who waits for an answer learns that something is locked in the ledger's own words."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection

from billing.ledger import locking
from billing.values import errors
from tests.support.ledger.locks import ledger_locked
from tests.support.ledger.payers import Payer


@pytest.mark.sqlite_only
def test_a_file_that_somebody_writes_to_is_locked(committed_db: None) -> None:
    customer = Payer.open(credits=100)
    connection.ensure_connection()
    wrapper: Any = connection
    wrapper.longest_ms = 100
    try:
        with ledger_locked(customer.account_id) as release:
            with pytest.raises(errors.AccountLocked, match="database is locked"):
                customer.grant(5)
            release.set()
    finally:
        connection.close()
    assert customer.figures()[0] == 100


def test_who_had_to_give_way_in_a_deadlock_learns_the_same(db: None) -> None:
    cause = psycopg.errors.DeadlockDetected("deadlock detected")
    with pytest.raises(errors.AccountLocked), locking.atomic():
        raise OperationalError("deadlock detected") from cause


def test_any_other_trouble_stays_what_it_is(db: None) -> None:
    with (
        pytest.raises(OperationalError, match="the disk is gone"),
        locking.atomic(),
    ):
        raise OperationalError("the disk is gone")
