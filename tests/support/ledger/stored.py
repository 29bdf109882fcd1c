"""What the ledger's tables say, in the auditor's words, read after every step.

Plain SQL in few round trips: this runs some ten thousand times.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection

from billing.ledger import dialect
from billing.verification.passes import ERRORS
from tests.support.ledger.payers import Payer

LOTS = "SELECT id, remaining_micros, held_micros FROM billing_grant WHERE account_id"
CALLS = (
    "SELECT h.id, h.state, h.account_id, u.hold_id FROM billing_hold h "
    "LEFT JOIN billing_usagerecord u ON u.hold_id = h.id WHERE h.account_id"
)
WORDS = (
    "SELECT hold_id, said_micros, state FROM billing_correction "
    "WHERE kind = 'late' AND account_id"
)
ACCOUNTS = (
    "SELECT a.kind, a.id, a.balance_micros, a.held_micros, u.balance_micros, "
    "a.owed_micros "
    "FROM billing_account a LEFT JOIN billing_account u ON u.id = a.usage_account_id "
    "WHERE a.kind IN ('issuance', 'absorbed', 'expiry', 'adjustment') OR a.id"
)


def stored(customers: Mapping[str, Payer]) -> dict[str, Any]:
    """Balances, lots, holds, what was consumed and how many records tell of it."""
    names = {customer.account_id: name for name, customer in customers.items()}
    among = f" IN ({', '.join(map(str, names))})"
    found: dict[str, Any] = {"balances": {}, "consumed": {}, "owed": {}}
    found["usage"] = dict.fromkeys(names.values(), 0)
    with connection.cursor() as cursor:
        cursor.execute(ACCOUNTS + among)
        for kind, account_id, balance, held, consumed, owed in cursor.fetchall():
            if name := names.get(account_id):
                found["balances"][name] = (balance, held)
                found["consumed"][name] = consumed
                found["owed"][name] = owed
            else:
                found[kind] = balance
        cursor.execute(LOTS + among)
        found["lots"] = {number: tuple(figures) for number, *figures in cursor}
        cursor.execute(CALLS + among)
        calls = cursor.fetchall()
        cursor.execute(WORDS + among)
        found["words"] = {
            (dialect.hex_id(hold_id), said): state for hold_id, said, state in cursor
        }
    found["states"] = {dialect.hex_id(key): state for key, state, *_ in calls}
    for _, _, account_id, record in calls:
        found["usage"][names[account_id]] += record is not None
    return found


def codes_of_errors() -> list[str]:
    """What `verify` would find: its passes as one prepared statement."""
    one = " UNION ALL ".join(
        f"SELECT '{code}' WHERE EXISTS ({sql})" for code, sql in ERRORS.items()
    ).replace("%%", "%")
    return [code for (code,) in dialect.run(one)]
