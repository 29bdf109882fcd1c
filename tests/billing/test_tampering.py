"""Each pass of the verification finds what it is there for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models, transaction
from pytest_django import DjangoDbBlocker

from billing.verification.passes import ERRORS, REFERENCES, WARNINGS
from tests.support.ledger.amended_tamperings import CASES
from tests.support.ledger.budget_tamperings import BUDGET_CASES
from tests.support.ledger.clocks import Clock
from tests.support.ledger.falsified import Case
from tests.support.ledger.tampering import (
    findings,
    found_after,
    no_guards,
    small_history,
)
from tests.support.ledger.tamperings import COVERED
from tests.support.ledger.tamperings import EVERY_CASE as OTHER_CASES
from tests.support.ledger.tamperings_of_days import DAY_CASES

EVERY_CASE = (*OTHER_CASES, *CASES, *DAY_CASES)
# The codes that are no query's.
OF_ACTS = {
    *("BUDGET_MISMATCH", "BUDGET_NOT_NAMED", "BUDGET_WINDOW"),
    *("FACT_MISMATCH", "FACT_WITHOUT_ACT", "HOLD_SEAL", "CHAIN_BREAK", "CHAIN_HEAD"),
    "DAY_MISMATCH",
}
ALL_CASES = [*EVERY_CASE, *BUDGET_CASES]
# One row of the history in each table, for a falsification of any of its columns.
A_ROW_OF = {
    "billing_account": "id = {account}",
    "billing_attempt": "hold_id = '{paid}'",
    "billing_acknowledgement": "hold_id = '{doubted}'",
    "billing_act": "account_id = {account} AND number = 1",
    "billing_amendment": "id = '{charged_back}'",
    "billing_budgetwindow": "budget_id = {key_budget}",
    "billing_burn": "grant_id = {other_lot} AND amount_micros > 30",
    "billing_correction": "id = '{charged_word}'",
    "billing_envelope": "hold_id = '{run}'",
    "billing_grant": "id = {lot}",
    "billing_hold": "id = '{paid}'",
    "billing_spender": "id = {run_spender}",
    "billing_transfer": "kind = 'usage' AND hold_id = '{paid}'",
    "billing_entry": "account_id = {account} AND version = {version}",
    "billing_usagerecord": "hold_id = '{paid}'",
    "billing_usagecomponent": "usage_id = '{paid}' AND name = 'base'",
    "billing_usagerollup": "account_id = {account} AND client = 'curl'",
    "billing_usageday": "account_id = {with_days} AND cut = 'session' "
    "AND session = 'night run'",
    "billing_usagedays": "account_id = {with_days}",
}
# Whom they belong to, or what they are for, is not the ledger's own doing.
CHOSEN_BY_THE_OPERATOR = {
    *("billing_lease", "billing_spender", "billing_tariff", "billing_unit"),
    *("billing_budget", "billing_budgetraise"),  # the organization's
}
UNDERIVED = {
    ("billing_account", "price_factor_ppm"): "the operator's choice",
    ("billing_account", "is_open"): "the operator's choice",
    ("billing_account", "time_zone"): "the organization's choice",
    ("billing_account", "label"): "the operator's choice",
    ("billing_account", "created_at"): "nothing rests on it",
    ("billing_usagerollup", "id"): "a number that nobody refers to",
    ("billing_usageday", "id"): "a number that nobody refers to",
}
# What has no row in the history, and rests on the ledger, not the other way round.
OUTSIDE = {
    # Top-ups have seals and passes of their own: tests/billing/payments.
    *("billing_topup", "billing_paymentevent", "billing_paymentlook"),
    "billing_topuprefund",  # that it was asked for; the credits follow from the payment
    *("billing_buyer", "billing_autotopup", "billing_consent"),
    # What was told of it, and the papers that were made of it.
    *("billing_event", "billing_statement"),
}
# What the ledger does not rest on: prices, and what was learned about them.
NOT_IN_LEDGER = OUTSIDE | {
    *("billing_tariff", "billing_creditprice", "billing_learnedbound"),
    "billing_pause",
    "billing_attempt",  # a client's, purged soon
    "billing_checkpoint",  # what was found right; without it more is read
}


def stored_columns() -> Iterator[tuple[str, str]]:
    """Every column of the ledger."""
    for model in apps.get_app_config("billing").get_models():
        if model._meta.db_table not in CHOSEN_BY_THE_OPERATOR:
            for field in model._meta.concrete_fields:
                yield model._meta.db_table, str(field.column)


def other_value(table: str, column: str) -> str:
    """Another one than any that the history has."""
    model = next(each for each in apps.get_models() if each._meta.db_table == table)
    field = next(f for f in model._meta.concrete_fields if f.column == column)
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    match field:
        case models.BooleanField():
            return f"NOT {column}"
        case models.JSONField():
            return "'[]'"
        case models.DateTimeField():
            return "'{future}'"
        case models.DateField():
            return "'2020-03-09'"
        case models.UUIDField():
            return f"'{'0' * 31}7'"
        case models.CharField():
            return "'x'"
        case _:
            return f"coalesce({column}, 0) + 1000"


def test_every_reference_without_a_foreign_key_is_looked_after() -> None:
    unguarded = {
        (model._meta.db_table, field.column)
        for model in apps.get_app_config("billing").get_models()
        for field in model._meta.concrete_fields
        if not getattr(field, "db_constraint", True)
    }
    assert unguarded == {(table, column) for table, column, *_ in REFERENCES}


class History(dict[str, Any]):
    """The names in a small history, which every test of this file falsifies in a way
    of its own and which is then as before."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(small_history(clock))
        self.findings = findings()

    def found_after(self, falsification: str) -> set[str]:
        return found_after(falsification, before=self.findings)


@pytest.fixture(scope="module")
def history(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[History]:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        patch.setattr("billing.values.clock.source", clock)
        with transaction.atomic():
            history = History(clock)
            with no_guards():
                yield history
            assert findings() == history.findings  # no test has left a trace
            transaction.set_rollback(True)
        connection.close()


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: case.code)
def test_a_falsified_row_has_its_code(history: History, case: Case) -> None:
    found = history.found_after(case.sql.format(**history))

    assert case.code in found
    assert found - {case.code} - COVERED <= case.companions


def test_every_code_has_a_case() -> None:
    assert {case.code for case in ALL_CASES} == (
        ERRORS.keys() | WARNINGS.keys() | OF_ACTS
    )


@pytest.mark.parametrize("basis", ["computed", "estimated", "upstream"])
def test_a_charge_that_is_raised_everywhere_is_found(
    db: None, clock: Clock, basis: str
) -> None:
    """Every figure that is derived from another one is raised with it."""
    history = small_history(clock, basis=basis)
    found = found_after(
        *(
            statement.format(**history)
            for statement in (
                "UPDATE billing_usagerecord SET price_micros = price_micros + 1, "
                "charged_micros = charged_micros + 1, "
                "upstream_micros = upstream_micros + 1 WHERE hold_id = '{lone}'",
                "UPDATE billing_transfer SET amount_micros = amount_micros + 1 "
                "WHERE hold_id = '{lone}'",
                "UPDATE billing_burn SET amount_micros = amount_micros + 1 "
                "WHERE grant_id = {lone_lot}",
                "UPDATE billing_grant SET remaining_micros = remaining_micros - 1 "
                "WHERE id = {lone_lot}",
                "UPDATE billing_usagerollup SET price_micros = price_micros + 1, "
                "charged_micros = charged_micros + 1 WHERE account_id = {lone_account}",
                "UPDATE billing_entry SET amount_micros = amount_micros - 1, "
                "balance_after_micros = balance_after_micros - 1 "
                "WHERE account_id = {lone_account} AND version = 2",
                "UPDATE billing_entry SET amount_micros = amount_micros + 1, "
                "balance_after_micros = balance_after_micros + 1 "
                "WHERE account_id = {lone_usage}",
                "UPDATE billing_account SET balance_micros = balance_micros - 1 "
                "WHERE id = {lone_account}",
                "UPDATE billing_account SET balance_micros = balance_micros + 1 "
                "WHERE id = {lone_usage}",
            )
        )
    )
    assert found == {"FACT_MISMATCH"}


@pytest.mark.once  # which columns an act covers is the models' say
@pytest.mark.parametrize(
    ("table", "column"),
    [
        pytest.param(*each, id=".".join(each))
        for each in stored_columns()
        if each not in UNDERIVED and each[0] not in NOT_IN_LEDGER
    ],
)
def test_no_stored_column_can_be_changed_unnoticed(
    history: History, table: str, column: str
) -> None:
    row = A_ROW_OF[table].format(**history)
    value = other_value(table, column).format(**history)
    found = history.found_after(f"UPDATE {table} SET {column} = {value} WHERE {row}")

    assert found & (ERRORS.keys() | OF_ACTS)


@pytest.mark.parametrize(
    "table", [each for each in A_ROW_OF if each not in NOT_IN_LEDGER]
)
def test_no_row_can_be_deleted_unnoticed(history: History, table: str) -> None:
    row = A_ROW_OF[table].format(**history)
    found = history.found_after(f"DELETE FROM {table} WHERE {row}")

    assert found & (ERRORS.keys() | OF_ACTS)


@pytest.mark.once
@pytest.mark.parametrize(
    ("table", "column"),
    [each[:2] for each in REFERENCES if each[0] not in OUTSIDE],
    ids=str,
)
def test_no_reference_can_dangle_unnoticed(
    history: History, table: str, column: str
) -> None:
    is_uuid = column in {"envelope_id", "hold_id", "transfer_id", "usage_id"}
    nobody = f"'{'0' * 32}'" if is_uuid else "0"
    row = A_ROW_OF[table].format(**history)
    found = history.found_after(f"UPDATE {table} SET {column} = {nobody} WHERE {row}")

    assert "DANGLING_REFERENCE" in found


def test_what_is_exempt_still_exists() -> None:
    assert set(UNDERIVED) <= set(stored_columns())
