"""Each pass of the verification finds what it is there for, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from billing.verification.passes import ERRORS, REFERENCES, WARNINGS
from tests.support.ledger.clocks import Clock
from tests.support.ledger.tampering import found_after, small_history


@dataclass(frozen=True)
class Case:
    """One falsified row. `companions` are the codes that it can't do without."""

    code: str
    sql: str
    companions: frozenset[str] = frozenset()


def case(code: str, sql: str, *companions: str) -> Case:
    return Case(code, sql, frozenset(companions))


LAPSED = "WHERE kind = 'expire' AND source_id = {account}"

CASES = (
    # A single balance breaks its own sum and the sum of all.
    case(
        "SUM_NOT_ZERO",
        "UPDATE billing_account SET balance_micros = balance_micros + 1 "
        "WHERE id = {usage_account}",
        "BALANCE_MISMATCH",
    ),
    case(
        "BALANCE_MISMATCH",
        "UPDATE billing_account SET balance_micros = balance_micros - 1 "
        "WHERE kind = 'absorbed'",
        "SUM_NOT_ZERO",
    ),
    case(
        "TRANSFER_UNBALANCED",
        "UPDATE billing_transfer SET destination_id = {other} "
        "WHERE kind = 'usage' AND hold_id = '{paid}'",
    ),
    case(
        "SEQ_GAP",
        "UPDATE billing_account SET version = version + 1 WHERE id = {account}",
    ),
    case(
        "AFTER_MISMATCH",
        "UPDATE billing_entry SET balance_after_micros = balance_after_micros + 1 "
        "WHERE account_id = {account} AND version = {version}",
    ),
    # An amount of its own also contradicts its two entries.
    case(
        "AMOUNT_RANGE",
        f"UPDATE billing_transfer SET amount_micros = 0 {LAPSED}",
        "TRANSFER_UNBALANCED",
    ),
    # A sum of holds is never negative, so it is wrong besides.
    case(
        "NEGATIVE_BALANCE",
        "UPDATE billing_account SET held_micros = -1 WHERE id = {other}",
        "HELD_MISMATCH",
    ),
    case(
        "NEGATIVE_BALANCE",
        "UPDATE billing_account SET held_micros = balance_micros + 1 "
        "WHERE id = {account}",
        "HELD_MISMATCH",
    ),
    case(
        "HELD_MISMATCH",
        "UPDATE billing_account SET held_micros = held_micros + 1 WHERE id = {account}",
    ),
    case(
        "HOLD_LOTS_MISMATCH",
        "UPDATE billing_hold SET amount_micros = amount_micros + 1 WHERE id = '{paid}'",
    ),
    case(
        "DOUBLE_RESOLUTION",
        f"UPDATE billing_transfer SET kind = 'usage', hold_id = '{{paid}}' {LAPSED}",
    ),
    case(
        "RESOLUTION_MISMATCH",
        "UPDATE billing_hold SET state = 'settled' WHERE id = '{released}'",
    ),
    # The credits of a call that is open again are held again.
    case(
        "RESOLUTION_MISMATCH",
        "UPDATE billing_hold SET state = 'open' WHERE id = '{paid}'",
        *("HELD_MISMATCH", "GRANT_HELD_MISMATCH"),
    ),
    case(
        "RESOLUTION_MISMATCH",
        "UPDATE billing_hold SET state = 'released' WHERE id = '{paid}'",
    ),
    case(
        "HOLD_OVERCAPTURE",
        "UPDATE billing_usagerecord SET flags = '' WHERE hold_id = '{over}'",
    ),
    # Pins are never negative, so their sum is wrong besides.
    case(
        "GRANT_RANGE",
        "UPDATE billing_grant SET held_micros = -1 WHERE id = {other_lot}",
        "GRANT_HELD_MISMATCH",
    ),
    case(
        "GRANT_SUM",
        "UPDATE billing_grant SET remaining_micros = remaining_micros - 1 "
        "WHERE id = {lot}",
    ),
    case(
        "GRANT_HELD_MISMATCH",
        "UPDATE billing_grant SET held_micros = held_micros + 1 WHERE id = {lot}",
    ),
    case(
        "GRANT_WITHOUT_TRANSFER",
        "UPDATE billing_transfer SET kind = 'gift' WHERE kind = 'grant' "
        "AND destination_id = {other}",
    ),
    case(
        "USAGE_WITHOUT_TRANSFER",
        "UPDATE billing_transfer SET kind = 'gift' "
        "WHERE kind = 'usage' AND hold_id = '{paid}'",
    ),
    case(
        "TRANSFER_WITHOUT_USAGE",
        "UPDATE billing_transfer SET kind = 'usage', hold_id = '{released}' " + LAPSED,
    ),
    case(
        "SPLIT_MISMATCH",
        "UPDATE billing_transfer SET kind = 'gift' "
        "WHERE kind = 'absorb' AND hold_id = '{over}'",
    ),
    case(
        "CROSS_TENANT",
        "UPDATE billing_hold SET spender_id = {other_spender} WHERE id = '{paid}'",
    ),
    case(
        "LOT_OF_STRANGER",
        "UPDATE billing_holdlot SET grant_id = {other_lot} WHERE hold_id = '{paid}'",
    ),
    case(
        "PRICE_MISMATCH",
        "UPDATE billing_hold SET price_factor_ppm = 1100000 WHERE id = '{paid}'",
    ),
    case(
        "BREAKDOWN_MISMATCH",
        "DELETE FROM billing_usagecomponent "
        "WHERE usage_id = '{paid}' AND name = 'image'",
    ),
    case(
        "ROLLUP_MISMATCH",
        "UPDATE billing_usagerollup SET spender_id = {other_spender} "
        "WHERE account_id = {account}",
    ),
    case(
        "ROLLUP_MISMATCH", "DELETE FROM billing_usagerollup WHERE account_id = {other}"
    ),
    case(
        "DANGLING_REFERENCE",
        "UPDATE billing_usagerollup SET spender_id = 0 WHERE account_id = {account}",
        "ROLLUP_MISMATCH",
    ),
    case(
        "STALE_HOLD",
        "UPDATE billing_hold SET due_at = '{past}' WHERE id = '{open}'",
    ),
    case(
        "IN_DOUBT",
        "UPDATE billing_hold SET state = 'in_doubt' WHERE id = '{open}'",
    ),
)

# One row of the history in each table, for a falsification of any of its columns.
A_ROW_OF = {
    "billing_account": "id = {account}",
    "billing_grant": "id = {lot}",
    "billing_hold": "id = '{paid}'",
    "billing_holdlot": "hold_id = '{paid}'",
    "billing_transfer": "kind = 'usage' AND hold_id = '{paid}'",
    "billing_entry": "account_id = {account} AND version = {version}",
    "billing_usagerecord": "hold_id = '{paid}'",
    "billing_usagecomponent": "usage_id = '{paid}' AND name = 'base'",
    "billing_usagerollup": "account_id = {account}",
}
# Integers that nothing else in the ledger says again.
UNDERIVED = {
    ("billing_account", "price_factor_ppm"): "the operator's choice",
    ("billing_grant", "priority"): "the operator's choice",
    ("billing_holdlot", "rank"): "the order of a moment that is gone",
    ("billing_usagerecord", "duration_ms"): "an observation",
}


def stored_figures() -> Iterator[tuple[str, str]]:
    """Every integer column of the ledger that is no key."""
    for model in apps.get_app_config("billing").get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, models.IntegerField) and not field.primary_key:
                yield model._meta.db_table, field.attname


def test_every_reference_without_a_foreign_key_is_looked_after() -> None:
    unguarded = {
        (model._meta.db_table, field.column)
        for model in apps.get_app_config("billing").get_models()
        for field in model._meta.concrete_fields
        if not getattr(field, "db_constraint", True)
    }
    assert unguarded == {(table, column) for table, column, *_ in REFERENCES}


@pytest.fixture
def history(db: None, clock: Clock) -> dict[str, Any]:
    return small_history(clock)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_a_falsified_row_has_its_code(history: dict[str, Any], case: Case) -> None:
    found = found_after(case.sql.format(**history))

    assert found == {case.code} | case.companions


def test_every_code_has_a_case() -> None:
    assert {case.code for case in CASES} == ERRORS.keys() | WARNINGS.keys()


@pytest.mark.parametrize(
    ("table", "column"),
    [
        pytest.param(*each, id=".".join(each))
        for each in stored_figures()
        if each not in UNDERIVED and each[0] != "billing_tariff"
    ],
)
def test_no_stored_figure_can_be_changed_unnoticed(
    history: dict[str, Any], table: str, column: str
) -> None:
    row = A_ROW_OF[table].format(**history)
    found = found_after(f"UPDATE {table} SET {column} = {column} + 1 WHERE {row}")

    assert found & ERRORS.keys()


@pytest.mark.parametrize(
    ("table", "column"), [each[:2] for each in REFERENCES], ids=str
)
def test_no_reference_can_dangle_unnoticed(
    history: dict[str, Any], table: str, column: str
) -> None:
    is_uuid = column in {"hold_id", "transfer_id", "usage_id"}
    nobody = f"'{'0' * 32}'" if is_uuid else "0"
    row = A_ROW_OF[table].format(**history)
    found = found_after(f"UPDATE {table} SET {column} = {nobody} WHERE {row}")

    assert "DANGLING_REFERENCE" in found


def test_what_is_exempt_still_exists() -> None:
    assert set(UNDERIVED) <= set(stored_figures())
