"""Falsifications of a small history by SQL, each with the code that must name it.

Names in braces are those of `tampering.small_history`.
"""

from __future__ import annotations

from tests.support.ledger.falsified import case
from tests.support.ledger.tamperings_of_callers import CALLER_CASES

# What sees any change of a row that an act has covered, or that counts in a budget.
COVERED = frozenset(
    {"FACT_MISMATCH", "HOLD_SEAL", "BUDGET_MISMATCH", "BUDGET_OF_STRANGER"}
    | {"BUDGET_NOT_NAMED", "BUDGET_WINDOW"}
)

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
        "TRANSFER_KIND",
    ),
    case(
        "SEQ_GAP",
        "UPDATE billing_account SET version = version + 1 WHERE id = {account}",
        "LAST_ENTRY",
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
        "BURN_MISMATCH",
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
        "TRANSFER_KIND",
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
        "GRANT_REMAINING_MISMATCH",
    ),
    case(
        "GRANT_HELD_MISMATCH",
        "UPDATE billing_grant SET held_micros = held_micros + 1 WHERE id = {lot}",
    ),
    case(
        "GRANT_WITHOUT_TRANSFER",
        "UPDATE billing_transfer SET kind = 'gift' WHERE kind = 'grant' "
        "AND destination_id = {other}",
        "TRANSFER_KIND",
    ),
    case(
        "USAGE_WITHOUT_TRANSFER",
        "UPDATE billing_transfer SET kind = 'gift' "
        "WHERE kind = 'usage' AND hold_id = '{paid}'",
        "TRANSFER_KIND",
        "BURN_MISMATCH",
    ),
    case(
        "TRANSFER_WITHOUT_USAGE",
        "UPDATE billing_transfer SET kind = 'usage', hold_id = '{released}' " + LAPSED,
        "TRANSFER_KIND",
    ),
    case(
        "SPLIT_MISMATCH",
        "UPDATE billing_transfer SET kind = 'gift' "
        "WHERE kind = 'absorb' AND hold_id = '{over}'",
        "TRANSFER_KIND",
    ),
    case(
        "CROSS_TENANT",
        "UPDATE billing_hold SET spender_id = {other_spender} WHERE id = '{paid}'",
    ),
    case(
        "LOT_OF_STRANGER",
        "UPDATE billing_hold SET pins = '[[{other_lot}, 30]]' WHERE id = '{paid}'",
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

# What no derived figure gives away: only the digests of the acts do.
SEALED = (
    ("transfer", "created_at = '{past}'", "hold_id = '{paid}'"),
    ("transfer", "reference = 'usage:other'", "hold_id = '{paid}'"),
    (
        "transfer",
        "fingerprint = 'other'",
        "kind = 'grant' AND destination_id = {other}",
    ),
    (
        "transfer",
        "reference = 'grant:x'",
        "kind = 'grant' AND destination_id = {other}",
    ),
    ("grant", "priority = 10", "id = {lot}"),
    ("grant", "source = 'promotion'", "id = {lot}"),
    ("grant", "reason = 'won'", "id = {lot}"),
    ("grant", "expires_at = '{future}'", "id = {lot}"),
    ("grant", "expires_at = NULL", "id = {expired_lot}"),
    ("grant", "created_at = '{past}'", "id = {lot}"),
    ("usagerecord", "settled_at = '{second}'", "hold_id = '{paid}'"),
    ("usagerecord", "duration_ms = 7", "hold_id = '{paid}'"),
    ("hold", "session = 'x'", "id = '{released}'"),
    ("hold", "holder_label = 'x'", "id = '{released}'"),
    ("usagerecord", "upstream_id = 'gen-2'", "hold_id = '{paid}'"),
    ("usagerecord", "streamed = NOT streamed", "hold_id = '{paid}'"),
    ("usagerecord", "flags = 'client_gone'", "hold_id = '{paid}'"),
    ("usagerecord", "upstream_micros = NULL", "hold_id = '{paid}'"),
    ("hold", "model = 'other'", "id = '{released}'"),
    ("hold", "operation = 'embeddings'", "id = '{released}'"),
    ("hold", "reason = 'client_gone'", "id = '{released}'"),
    ("hold", "changed_at = '{second}'", "id = '{released}'"),
    ("hold", "placed_at = '{past}'", "id = '{paid}'"),
    ("hold", "due_at = '{future}'", "id = '{paid}'"),
    ("hold", "lease_id = id", "id = '{paid}'"),
    ("correction", "reason = 'other'", "id = '{charged_word}'"),
    ("correction", "noted_at = '{past}'", "id = '{charged_word}'"),
    ("correction", "kind = 'adjustment'", "id = '{charged_word}'"),
    ("correction", "said_micros = said_micros + 1", "id = '{charged_word}'"),
    ("correction", "said_micros = said_micros + 1", "id = '{waiting_word}'"),
    ("correction", "upstream_id = 'gen-2'", "id = '{waiting_word}'"),
    ("acknowledgement", "reason = 'other'", "hold_id = '{doubted}'"),
)
SEALED_CASES = tuple(
    # A warning names the row as it is now.
    case(
        "FACT_MISMATCH",
        f"UPDATE billing_{table} SET {change} WHERE {row}",
        *(("LATE_WORD",) if "waiting_word" in row else ()),
    )
    for table, change, row in SEALED
)

# Lines that are gone, or were put in, and figures moved from one place to another.
MOVED_CASES = (
    case("FACT_MISMATCH", "DELETE FROM billing_hold WHERE id = '{released}'"),
    case(
        "FACT_MISMATCH",
        "DELETE FROM billing_correction WHERE id = '{waiting_word}'",
        "LATE_WORD",
    ),
    case(
        "FACT_MISMATCH",
        "DELETE FROM billing_acknowledgement WHERE hold_id = '{doubted}'",
        "IN_DOUBT",
    ),
    case(
        "FACT_WITHOUT_ACT",
        "INSERT INTO billing_acknowledgement (hold_id, reason, noted_at) "
        "VALUES ('{doubted_2}', 'seen', '{past}')",
    ),
    case(
        "FACT_WITHOUT_ACT",
        "UPDATE billing_hold SET state = 'released' WHERE id = '{open}'",
        *("HELD_MISMATCH", "GRANT_HELD_MISMATCH"),
    ),
    case(
        "ROLLUP_MISMATCH",
        "UPDATE billing_usagerollup SET starts_at = '{other_quarter}' "
        "WHERE account_id = {other}",
    ),
    case(
        "ROLLUP_MISMATCH",
        "UPDATE billing_usagerollup SET starts_at = '{other_day}' "
        "WHERE account_id = {other}",
    ),
    case(
        "ROLLUP_MISMATCH",
        "UPDATE billing_usagerollup SET model = 'other' WHERE account_id = {other}",
    ),
    case(
        "ROLLUP_MISMATCH",
        "UPDATE billing_usagerollup SET basis = 'estimated' WHERE account_id = {other}",
    ),
    case(
        "GRANT_REMAINING_MISMATCH",
        "UPDATE billing_grant SET remaining_micros = remaining_micros + CASE "
        "WHEN id = {lot} THEN -1 ELSE 1 END WHERE id IN ({lot}, {second_lot})",
        "GRANT_RANGE",
    ),
    case(
        "TRANSFER_KIND",
        "UPDATE billing_transfer SET destination_id = {other}, "
        "destination_kind = 'organization', destination_tenant_id = {other} " + LAPSED,
        "TRANSFER_UNBALANCED",
    ),
    case(
        "TRANSFER_KIND",
        "UPDATE billing_account SET kind = 'other' WHERE id = {usage_account}",
        "ACCOUNT_TENANT",
    ),
    case(
        "TRANSFER_KIND",
        "UPDATE billing_transfer SET source_kind = 'usage' "
        "WHERE kind = 'usage' AND hold_id = '{paid}'",
    ),
    case(
        "ACCOUNT_TENANT",
        "UPDATE billing_account SET tenant_id = {other} WHERE id = {usage_account}",
        "TRANSFER_KIND",
    ),
    case(
        "ACCOUNT_TENANT",
        "UPDATE billing_account SET usage_account_id = NULL WHERE id = {account}",
    ),
    case(
        "TIME_RUNS_BACK",
        "UPDATE billing_entry SET created_at = '{past}' "
        "WHERE account_id = {account} AND version = {version}",
        "LAST_ENTRY",
    ),
    case(
        "LAST_ENTRY",
        "UPDATE billing_account SET last_entry_at = '{past}' WHERE id = {account}",
    ),
    case(
        "BURN_MISMATCH",
        "UPDATE billing_burn SET amount_micros = amount_micros + 1 "
        "WHERE grant_id = {other_lot} AND amount_micros > 30",
        "GRANT_REMAINING_MISMATCH",
    ),
    case(
        "BURN_OF_STRANGER",
        "UPDATE billing_burn SET grant_id = {lot} WHERE grant_id = {other_lot} "
        "AND amount_micros > 30",
        "GRANT_REMAINING_MISMATCH",
    ),
    case(
        "CORRECTION_MISMATCH",
        "UPDATE billing_correction SET charged_micros = charged_micros + 1 "
        "WHERE id = '{charged_word}'",
        "ROLLUP_MISMATCH",
    ),
    case(
        "CORRECTION_MISMATCH",
        "UPDATE billing_correction SET state = 'dismissed' WHERE id = '{charged_word}'",
        *("ROLLUP_MISMATCH", "IN_DOUBT", "OVERREFUND"),
    ),
    case(
        "TRANSFER_WITHOUT_CORRECTION",
        "UPDATE billing_transfer SET correction_id = NULL WHERE kind = 'refund'",
        *("CORRECTION_MISMATCH", "FACT_WITHOUT_ACT"),
    ),
    case(
        "CORRECTION_OF_STRANGER",
        "UPDATE billing_correction SET spender_id = {other_spender} "
        "WHERE id = '{waiting_word}'",
    ),
    case(
        "OVERREFUND",
        "UPDATE billing_correction SET charged_micros = -1000 "
        "WHERE hold_id = '{refunded}'",
        *("CORRECTION_MISMATCH", "ROLLUP_MISMATCH"),
    ),
    case("HOLD_SEAL", "UPDATE billing_hold SET model = 'other' WHERE id = '{open}'"),
    case(
        "HOLD_SEAL", "UPDATE billing_hold SET placed_at = '{past}' WHERE id = '{open}'"
    ),
    case(
        "CHAIN_BREAK",
        "UPDATE billing_act SET kind = 'release' WHERE account_id = {account} "
        "AND number = 1",
    ),
    case(
        "CHAIN_BREAK",
        "DELETE FROM billing_act WHERE account_id = {account} AND number = 1",
        "FACT_WITHOUT_ACT",
    ),
    case("CHAIN_HEAD", "UPDATE billing_account SET acts = 1 WHERE id = {account}"),
    case(
        "CHAIN_HEAD",
        "DELETE FROM billing_act WHERE account_id = {other} AND number = {other_acts}",
        "FACT_WITHOUT_ACT",
    ),
    case(
        "PAUSED",
        "INSERT INTO billing_pause (account_id, operation, model, borne_micros, "
        "accepted_micros, paused_at) VALUES ({account}, '', '', 1, 0, '{past}')",
    ),
    case(
        "LATE_WORD",
        "UPDATE billing_correction SET state = 'pending', ended_at = NULL "
        "WHERE id = '{dismissed_word}'",
    ),
)

EVERY_CASE = (*CASES, *SEALED_CASES, *MOVED_CASES, *CALLER_CASES)
