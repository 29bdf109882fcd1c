"""Falsifications of who called. Names in braces: `tampering.small_history`."""

from __future__ import annotations

from tests.support.ledger.falsified import case

CALLER_CASES = (
    case(
        "CALLER_MISMATCH",
        "UPDATE billing_usagerecord SET session = 'x' WHERE hold_id = '{paid}'",
    ),
    case(
        "CALLER_MISMATCH",
        "UPDATE billing_usagerecord SET spender_label = 'x' WHERE hold_id = '{over}'",
    ),
    # A unit of another organization, and one that is no project.
    case(
        "CALLER_MISMATCH",
        "UPDATE billing_unit SET account_id = {other} WHERE id = {holder}",
    ),
    case(
        "CALLER_MISMATCH",
        "UPDATE billing_unit SET kind = 'member' WHERE id = {project}",
    ),
    case(
        "CALLER_MISMATCH",
        "UPDATE billing_hold SET holder_id = {project} WHERE id = '{open}'",
    ),
    *(
        case(
            "ROLLUP_MISMATCH",
            f"UPDATE billing_usagerollup SET {change} WHERE account_id = {{account}}",
        )
        for change in (
            "client = client || 'x'",
            "project_id = NULL",
            "holder_id = NULL",
        )
    ),
)
