"""A statement that somebody changed is found by `verify_ledger`."""

from __future__ import annotations

import pytest
from django.db import connection

from billing import statements
from billing.models import Statement
from billing.verification.statements import CODE
from tests.support.ledger.clocks import Clock
from tests.support.ledger.payers import Payer, wrong_in_the_ledger

TABLE = "billing_statement"


def months(customer: Payer, clock: Clock, count: int = 3) -> None:
    for _ in range(count):
        customer.call(5)
        month = clock.moment.strftime("%Y-%m")
        clock.advance(days=32)
    statements.close(customer.account_id, month)


def falsify(sql: str) -> None:
    on = f" ON {TABLE}" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        for verb in ("update", "delete"):
            cursor.execute(f"DROP TRIGGER {TABLE}_refuse_{verb}{on}")
        cursor.execute(sql)


def test_statements_as_they_were_closed_are_no_findings(
    customer: Payer, clock: Clock
) -> None:
    months(customer, clock)
    assert wrong_in_the_ledger() == []


@pytest.mark.parametrize(
    "sql",
    [
        f"UPDATE {TABLE} SET figures = replace(figures, '5', '6') WHERE number = 2",
        f"UPDATE {TABLE} SET closing_micros = closing_micros + 1 WHERE number = 3",
        f"UPDATE {TABLE} SET opening_micros = opening_micros + 1 WHERE number = 1",
        f"UPDATE {TABLE} SET previous = digest WHERE number = 1",
        f"DELETE FROM {TABLE} WHERE number = 2",
        f"DELETE FROM {TABLE} WHERE number = 1",
        f"UPDATE {TABLE} SET number = number + 100 WHERE number = 3",
    ],
)
def test_a_changed_statement_is_found(customer: Payer, clock: Clock, sql: str) -> None:
    months(customer, clock)
    assert Statement.objects.count() >= 3
    falsify(sql)
    assert set(wrong_in_the_ledger()) == {CODE}
