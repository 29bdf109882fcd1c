"""A small correct history, and the means to falsify one row of it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from billing import grants
from billing.models import Account, Grant
from billing.verification.report import verify
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer

CHECKS = (
    "SELECT conrelid::regclass, conname FROM pg_constraint "
    "WHERE contype = 'c' AND conrelid::regclass::text LIKE 'billing_%'"
)
TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger'"


def small_history(clock: Clock) -> dict[str, Any]:
    """One call of each kind, an expired grant; the names a falsification may use."""
    customer, overrun = Payer.open(credits=100), Payer.open(credits=100)
    customer.grant(12, expires_at=START + timedelta(minutes=1))
    clock.advance(minutes=1)
    grants.expire_due()
    paid, over = customer.hold(30), overrun.hold(30)
    customer.settle(paid, 12, prompt_tokens=5, components={"base": 10, "image": 2})
    overrun.settle(over, 135)
    released = customer.hold(10)
    customer.release(released)
    lots = Grant.objects.order_by("id").filter(expires_at=None)
    account = Account.objects.get(id=customer.account_id)
    return {
        "account": customer.account_id,
        "usage_account": account.usage_account_id,
        "version": account.version,
        "lot": lots.get(account_id=customer.account_id).id,
        "other": overrun.account_id,
        "other_lot": lots.get(account_id=overrun.account_id).id,
        "other_spender": overrun.spender_id,
        "paid": paid,
        "over": over,
        "released": released,
        "open": customer.hold(20),
        "past": (START - timedelta(hours=1)).replace(tzinfo=None),
    }


def findings() -> Counter[tuple[str, str]]:
    report = verify()
    return Counter((found.code, found.detail) for found in report.findings)


def found_after(falsification: str) -> set[str]:
    """The codes of what is wrong after that statement, which is then undone."""
    before = findings()
    try:
        with transaction.atomic():
            _lift_all_guards()
            with connection.cursor() as cursor:
                cursor.execute(falsification)
                assert cursor.rowcount == 1, falsification
            after = findings()
            transaction.set_rollback(True)
    finally:
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA ignore_check_constraints = OFF")
    assert findings() == before
    return {code for code, _ in after - before}


def _lift_all_guards() -> None:
    """No triggers, no CHECK constraints, no foreign keys, until the rollback."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
            cursor.execute(TRIGGERS)
            for (name,) in cursor.fetchall():
                cursor.execute(f"DROP TRIGGER {name}")
            return
        # What is deferred to the commit would forbid to alter the tables.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(CHECKS)
        for table, name in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        cursor.execute("SET LOCAL session_replication_role = replica")
