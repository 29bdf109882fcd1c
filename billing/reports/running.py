"""How many calls run now, by whose they are."""

from __future__ import annotations

from collections import Counter

from django.db import connection

from billing.ledger import dialect, running


def calls_of(account_id: int, spender_id: int) -> Counter[str]:
    """Subjects as in `values.orders.AtOnce`; a moment ago."""
    connection.ensure_connection()
    found = running.Running()
    accounts, spenders = dialect.json([account_id]), dialect.json([spender_id])
    running.take(found, dialect.run(running.READ_RUNNING, accounts, spenders))
    return found.calls
