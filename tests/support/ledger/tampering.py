"""A small correct history, and the means to falsify one row of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from billing import budgets, corrections, grants, spenders, usage_days
from billing.budgets import Subject
from billing.models import Account, Attempt, Correction, Grant, Spender
from billing.models.account import UnitKind
from billing.models.budget import Level, Window
from billing.models.correction import CorrectionKind
from billing.values.patience import patience
from billing.verification.report import verify
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.operators import amended_history
from tests.support.ledger.payers import Payer
from tests.support.ledger.teams import Team
from tests.support.waiting import PATIENCE_SECONDS

CHECKS = (
    "SELECT conrelid::regclass, conname FROM pg_constraint "
    "WHERE contype = 'c' AND conrelid::regclass::text LIKE 'billing_%'"
)
TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger'"


def small_history(clock: Clock, *, basis: str = "upstream") -> dict[str, Any]:
    """One call of each kind, an expired grant; the names a falsification may use."""
    said = made_days(clock)
    customer, overrun = Payer.open(credits=100), Payer.open(credits=100)
    project, holder = stand_below_units(customer)
    customer.grant(12, expires_at=START + timedelta(minutes=1))
    everything = Subject(Level.ORGANIZATION)
    budget = budgets.set_limit(
        customer.account_id, everything, Window.TOTAL, 10**6, counts_spend_so_far=False
    )
    clock.advance(minutes=1)
    grants.expire_due()
    caller: dict[str, Any] = {
        "client": "curl",
        "client_version": "8.5.0",
        "session": "night run",
    }
    paid, over = customer.hold(30, **caller), overrun.hold(30)
    Attempt.objects.create(
        hold_id=paid, fingerprint=paid, content=paid, retry_count=0, placed_at=START
    )
    customer.settle(paid, 12, prompt_tokens=5, components={"base": 10, "image": 2})
    overrun.settle(over, 135)
    released = customer.hold(10)
    customer.release(released)
    said |= second_words(customer) | lone_call(basis) | amended_history()
    said |= team_with_a_run()
    clock.advance(minutes=1)
    lots = Grant.objects.order_by("id").filter(expires_at=None)
    account = Account.objects.get(id=customer.account_id)
    other = Account.objects.get(id=overrun.account_id)
    return said | {
        "account": customer.account_id,
        "spender": customer.spender_id,
        "usage_account": account.usage_account_id,
        "version": account.version,
        "budget": budget.id,
        "lot": lots.get(account_id=customer.account_id, source="purchase").id,
        "second_lot": lots.get(account_id=customer.account_id, source="trial").id,
        "expired_lot": Grant.objects.get(
            account_id=customer.account_id, expires_at__isnull=False
        ).id,
        "other": overrun.account_id,
        "other_acts": other.acts,
        "other_lot": lots.get(account_id=overrun.account_id).id,
        "other_spender": overrun.spender_id,
        "paid": paid,
        "over": over,
        "released": released,
        "open": customer.hold(20),
        "an_hour_before": (START - timedelta(hours=2)).replace(tzinfo=None),
        "past": (START - timedelta(hours=1)).replace(tzinfo=None),
        "second": (START + timedelta(minutes=1, seconds=1)).replace(tzinfo=None),
        "future": (START + timedelta(days=9)).replace(tzinfo=None),
        "other_quarter": (START + timedelta(minutes=15)).replace(tzinfo=None),
        "other_day": (START + timedelta(days=1)).replace(tzinfo=None),
        "project": project,
        "holder": holder,
    }


def made_days(clock: Clock) -> dict[str, Any]:
    """A customer in Nepal whose calls, of the hour before `START`, are in days: one in
    a session, one by a key that was rotated, one paid back; the clock is at `START`.
    """
    clock.moment = START - timedelta(hours=6)
    customer = Payer.open(credits=100)
    budgets.set_time_zone(customer.account_id, "Asia/Kathmandu")
    first = Spender.objects.get(id=customer.spender_id)
    hold_id = customer.hold(20, client="curl", session="night run")
    customer.settle(hold_id, 11, prompt_tokens=5)
    clock.moment = START - timedelta(hours=1)  # the next day, in Nepal
    rotated = spenders.open_spender(customer.account_id, "next", succeeds=first)
    hold_id = customer.hold(20, client="curl", spender_id=rotated.id)
    customer.settle(hold_id, 7, completion_tokens=3)
    refund = CorrectionKind.REFUND
    corrections.post(UUID(hold_id), refund, 2, reference="1", reason="goodwill")
    clock.moment = START
    customer.grant(5)
    while usage_days.add_next(customer.account_id):
        pass
    return {"with_days": customer.account_id}


def stand_below_units(customer: Payer) -> tuple[int, int]:
    """Put the customer's spender into a project, held by a member; their ids."""
    account_id = customer.account_id
    project = spenders.open_unit(account_id, UnitKind.PROJECT, "search")
    holder = spenders.open_unit(account_id, UnitKind.MEMBER, "bob@example.com")
    Spender.objects.filter(id=customer.spender_id).update(
        project=project, holder=holder
    )
    return project.id, holder.id


def lone_call(basis: str) -> dict[str, Any]:
    """One call of a customer who has made no other."""
    customer = Payer.open(credits=100)
    upstream = 12 if basis == "upstream" else None
    hold_id = customer.hold(30)
    customer.settle(hold_id, 12, basis=basis, upstream_micros=upstream)
    account = Account.objects.get(id=customer.account_id)
    return {
        "lone": hold_id,
        "lone_account": account.id,
        "lone_usage": account.usage_account_id,
        "lone_lot": Grant.objects.get(account_id=account.id).id,
    }


def team_with_a_run() -> dict[str, Any]:
    """A run that has paid for a call, under a limit that counts an earlier one."""
    team = Team.open(credits=100)
    team.call(7)
    key_budget = team.limit(90, window="month")
    run = team.run(20)
    run.call(5)
    return {
        "key_budget": key_budget.id,
        "run": run.envelope_id.hex,
        "run_spender": run.spender_id,
    }


def second_words(customer: Payer) -> dict[str, Any]:
    """A price that came late and was charged, one that waits, one that was dismissed; a
    refund; a doubt that was acknowledged, and one that was not."""
    customer.grant(50, source="trial", priority=90)
    late = []
    for price in (8, 9, 7):
        hold_id = customer.hold(10)
        customer.release(hold_id)
        customer.settle(hold_id, price)
        late.append(Correction.objects.get(hold_id=hold_id).id)
    corrections.charge(late[0], reason="the invoice")
    corrections.dismiss(late[2], reason="goodwill")
    refunded = customer.call(20)
    corrections.post(
        UUID(refunded), CorrectionKind.REFUND, 5, reference="1", reason="goodwill"
    )
    doubted, doubted_2 = customer.hold(3), customer.hold(2)
    customer.doubt(doubted)
    customer.doubt(doubted_2)
    corrections.acknowledge(UUID(doubted), reason="seen")
    return {
        "charged_word": late[0].hex,
        "waiting_word": late[1].hex,
        "dismissed_word": late[2].hex,
        "refunded": refunded,
        "doubted": doubted,
        "doubted_2": doubted_2,
    }


def findings() -> Counter[tuple[str, str]]:
    report = verify()
    return Counter((found.code, found.detail) for found in report.findings)


def found_after(
    *falsifications: str, before: Counter[tuple[str, str]] | None = None
) -> set[str]:
    """The codes of what is wrong after those statements, which are then undone;
    `before` is what was found without them, if the caller knows."""
    known = findings() if before is None else before
    with no_guards(*falsifications):
        after = findings()
    if before is None:  # else the caller looks, once for all
        assert findings() == known
    return {code for code, _ in after - known}


@contextmanager
def no_guards(*falsifications: str) -> Iterator[None]:
    """What these statements, and whoever is inside, did is then undone.

    To lift the guards costs more than anything that is done without them: inside
    another one they are lifted already.
    """
    are_lifted = _are_lifted()
    try:
        with patience(PATIENCE_SECONDS), transaction.atomic():
            if not are_lifted:
                _lift_all_guards()
            with connection.cursor() as cursor:
                for statement in falsifications:
                    cursor.execute(statement)
                    assert cursor.rowcount > 0, statement
            yield
            transaction.set_rollback(True)
    finally:
        if connection.vendor == "sqlite" and not are_lifted:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA ignore_check_constraints = OFF")


def _are_lifted() -> bool:
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        cursor.execute(
            "PRAGMA ignore_check_constraints"
            if is_sqlite
            else "SHOW session_replication_role"
        )
        (found,) = cursor.fetchone()
    return bool(found == 1) if is_sqlite else bool(found == "replica")


def _lift_all_guards() -> None:
    """No triggers, no CHECK constraints, no foreign keys, until the rollback."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
            cursor.execute(TRIGGERS)
            for (name,) in cursor.fetchall():
                cursor.execute(f"DROP TRIGGER {name}")
            return
        # Whoever still works on these tables, such as an earlier test's gateway, may
        # take its time.
        for limit in ("lock_timeout", "statement_timeout"):
            cursor.execute(f"SET LOCAL {limit} = '{PATIENCE_SECONDS}s'")
        # What is deferred to the commit would forbid to alter the tables.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(CHECKS)
        for table, name in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        cursor.execute("SET LOCAL session_replication_role = replica")
