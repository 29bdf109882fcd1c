"""The journal and the records: the database itself refuses to change a line."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from tests.support.ledger.payers import Payer

COLUMNS = {
    "billing_transfer": "amount_micros",
    "billing_entry": "amount_micros",
    "billing_burn": "amount_micros",
    "billing_usagerecord": "price_micros",
    "billing_usagecomponent": "upstream_micros",
}


def attempt(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize(("table", "column"), COLUMNS.items())
def test_no_line_is_changed_or_deleted(
    customer: Payer, table: str, column: str
) -> None:
    customer.call(12, components={"base": 12})

    for statement in (
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
    ):
        with pytest.raises(DatabaseError, match=f"{table} is append-only"):
            attempt(statement)


GUARDED = {
    *COLUMNS,
    *("billing_act", "billing_amendment", "billing_correction", "billing_envelope"),
    "billing_statement",
    "portal_auditevent",
}
CHAINED = {"portal_auditevent_chain"} if connection.vendor == "postgresql" else set()


def test_every_guard_stands_after_all_migrations(db: None) -> None:
    """SQLite forgets a table's triggers when a migration adds a column to it."""
    names = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if connection.vendor == "sqlite"
        else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    )
    with connection.cursor() as cursor:
        cursor.execute(names)
        found = {name for (name,) in cursor.fetchall()}
    assert found - CHAINED == {
        f"{table}_refuse_{verb}" for table in GUARDED for verb in ("update", "delete")
    }


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("billing_account SET balance_micros = -1", "balance"),
        ("billing_account SET held_micros = -1", "held"),
        ("billing_account SET held_micros = balance_micros + 1", "covers_held"),
        ("billing_account SET price_factor_ppm = 0", "price_factor"),
        ("billing_grant SET held_micros = -1", "within"),
        ("billing_grant SET remaining_micros = amount_micros + 1", "within"),
        ("billing_grant SET held_micros = remaining_micros + 1", "within"),
        ("billing_hold SET amount_micros = -1", "amount"),
        ("billing_hold SET state = 'lost'", "state"),
    ],
)
def test_the_database_keeps_the_rules_of_money_by_itself(
    customer: Payer, statement: str, constraint: str
) -> None:
    customer.hold(30)
    column = "id" if statement.startswith("billing_account") else "account_id"

    with pytest.raises(DatabaseError, match=constraint):
        attempt(f"UPDATE {statement} WHERE {column} = {customer.account_id}")
