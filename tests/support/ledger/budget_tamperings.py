"""Falsifications of what budgets and runs rest on; see `tamperings`."""

from __future__ import annotations

from tests.support.ledger.falsified import case

BUDGET_CASES = (
    case(
        "BUDGET_MISMATCH",
        "UPDATE billing_budgetwindow SET spent_micros = spent_micros + 1 "
        "WHERE budget_id = {budget}",
    ),
    case(
        "BUDGET_MISMATCH",
        "UPDATE billing_budgetwindow SET held_micros = held_micros - 1 "
        "WHERE budget_id = {key_budget}",
    ),
    # What it counted of the time before it was made is known, too.
    case(
        "BUDGET_MISMATCH",
        "UPDATE billing_budgetwindow SET spent_micros = spent_micros - 1 "
        "WHERE budget_id = {key_budget}",
    ),
    # A call that names no window, or another day's, counts where nobody looks.
    case(
        "BUDGET_NOT_NAMED",
        "UPDATE billing_hold SET budgets = '[]' WHERE id = '{run}'",
        *("FACT_MISMATCH", "HOLD_SEAL", "BUDGET_MISMATCH"),
    ),
    case(
        "BUDGET_WINDOW",
        "UPDATE billing_hold SET budgets = '[[{key_budget}, 86400]]' "
        "WHERE id = '{run}'",
        *("FACT_MISMATCH", "HOLD_SEAL", "BUDGET_MISMATCH", "BUDGET_OF_STRANGER"),
    ),
    case(
        "BUDGET_OF_STRANGER",
        "UPDATE billing_budget SET account_id = {other} WHERE id = {budget}",
        "BUDGET_SUBJECT",
    ),
    case(
        "BUDGET_SUBJECT",
        "UPDATE billing_budget SET subject = 'project:1' WHERE id = {budget}",
    ),
    case(
        "LIMITED_AS_STRANGER",
        "UPDATE billing_spender SET counts_as_id = {other_spender} "
        "WHERE id = {spender}",
    ),
    case(
        "RUN_MISMATCH",
        "UPDATE billing_spender SET parent_id = {other_spender} "
        "WHERE id = {run_spender}",
    ),
    case(
        "CALL_OUTSIDE_RUN",
        "UPDATE billing_spender SET envelope_id = NULL WHERE id = {run_spender}",
        "RUN_MISMATCH",
    ),
)
