"""Falsifications of what the operator amended, as `tamperings` has the others."""

from __future__ import annotations

from tests.support.ledger.falsified import case

CASES = (
    case(
        "DEBT_MISMATCH",
        "UPDATE billing_account SET owed_micros = owed_micros - 1 WHERE id = {debtor}",
    ),
    # Nobody's debt any more: its account is no organization's.
    case(
        "DEBT_MISMATCH",
        "UPDATE billing_account SET tenant_id = {other} WHERE id = {debt_account}",
        "TRANSFER_KIND",
    ),
    case(
        "ACCOUNT_TENANT",
        "UPDATE billing_account SET tenant_id = NULL WHERE id = {debt_account}",
        *("DEBT_MISMATCH", "TRANSFER_KIND"),
    ),
    case(
        "NEGATIVE_BALANCE",
        "UPDATE billing_account SET balance_micros = 1 WHERE id = {debt_account}",
        *("SUM_NOT_ZERO", "BALANCE_MISMATCH", "DEBT_MISMATCH"),
    ),
    case(
        "AMENDMENT_MISMATCH",
        "UPDATE billing_amendment SET moved_micros = moved_micros - 1 "
        "WHERE id = '{charged_back}'",
    ),
    case(
        "AMENDMENT_MISMATCH",
        "UPDATE billing_amendment SET owed_micros = owed_micros + 1 "
        "WHERE id = '{clawed_back}'",
    ),
    case(
        "AMENDMENT_MISMATCH",
        "UPDATE billing_amendment SET account_id = {other} WHERE id = '{credited}'",
    ),
    case(
        "AMENDMENT_MISMATCH",
        "UPDATE billing_transfer SET correction_id = NULL WHERE kind = 'write_off'",
        *("TRANSFER_WITHOUT_CORRECTION", "FACT_WITHOUT_ACT"),
    ),
    case(
        "TRANSFER_WITHOUT_CORRECTION",
        "DELETE FROM billing_amendment WHERE id = '{credited}'",
    ),
    case(
        "GRANT_OVERREVERSED",
        "UPDATE billing_amendment SET amount_micros = 101 WHERE id = '{charged_back}'",
    ),
    case(
        "GRANT_OVERREVERSED",
        "UPDATE billing_amendment SET grant_id = {other_lot} "
        "WHERE id = '{charged_back}'",
    ),
    case(
        "BURN_MISMATCH",
        "DELETE FROM billing_burn WHERE transfer_id IN "
        "(SELECT id FROM billing_transfer WHERE kind = 'repayment')",
        "GRANT_REMAINING_MISMATCH",
    ),
    case(
        "GRANT_WITHOUT_TRANSFER",
        "UPDATE billing_transfer SET kind = 'gift' WHERE kind = 'credit'",
        "TRANSFER_KIND",
    ),
    case(
        "TRANSFER_KIND",
        "UPDATE billing_transfer SET kind = 'debit' WHERE kind = 'clawback'",
    ),
    case(
        "CHECKPOINT_MISMATCH",
        "INSERT INTO billing_checkpoint (account_id, number, chain, made_at) "
        "VALUES ({account}, 1, '{paid}', '{past}')",
    ),
    case(
        "CHECKPOINT_MISMATCH",
        "INSERT INTO billing_checkpoint (account_id, number, chain, made_at) "
        "SELECT id, acts + 1, chain, '{past}' FROM billing_account "
        "WHERE id = {account}",
    ),
    *(
        case("FACT_MISMATCH", f"UPDATE billing_amendment SET {change}")
        for change in (
            "reason = 'other' WHERE id = '{credited}'",
            "actor = 'other' WHERE id = '{credited}'",
            "reference = 'other' WHERE id = '{credited}'",
            "kind = 'clawback' WHERE id = '{charged_back}'",
            "noted_at = '{past}' WHERE id = '{credited}'",
            "grant_id = NULL WHERE id = '{charged_back}'",
        )
    ),
)
