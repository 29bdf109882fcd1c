"""The ledger's SQL, built once for the database in use.

Every name in here is a constant of this file or a column of a model; values travel as
parameters. Rows that are written have their columns' names.
"""

from __future__ import annotations

from django.db.models import AutoField, Model

from billing.ledger.dialect import (
    FOR_UPDATE,
    FOR_UPDATE_IF_FREE,
    NOW,
    PARAMETER,
    TIME_PARAMETER,
    among,
    listed,
    rows,
    time_text,
)
from billing.models import (
    Account,
    Act,
    Attempt,
    Burn,
    Correction,
    Entry,
    Grant,
    Hold,
    Transfer,
    UsageComponent,
    UsageRecord,
    UsageRollup,
)
from billing.models.caller import CALLER

# --- what is read, and locked -------------------------------------------------------

# The time is read outside the query that locks: after the lock was waited for.
_LOCKED = (
    "SELECT id, kind, is_open, usage_account_id, price_factor_ppm, balance_micros, "
    f"held_micros, version, tenant_id, acts, chain, {time_text('last_entry_at')}, "
    f"owed_micros, {time_text(NOW)} FROM "
)
_CHOSEN = listed("bigint")
# Both by key: with OR instead of UNION, PostgreSQL would read every account.
_AND_THEIRS = (
    f"{_CHOSEN} UNION SELECT usage_account_id FROM billing_account "
    f"WHERE {among('id', _CHOSEN)}"
)
LOCK_ACCOUNTS = (
    f"{_LOCKED} (SELECT * FROM billing_account WHERE {among('id', _AND_THEIRS)} "
    f"ORDER BY id {FOR_UPDATE}) AS locked"
)
LOCK_FREE_ACCOUNTS = (
    f"{_LOCKED} (SELECT * FROM billing_account WHERE {among('id', _AND_THEIRS)} "
    f"ORDER BY id {FOR_UPDATE_IF_FREE}) AS locked"
)
READ_KNOWN_ACCOUNTS = f"SELECT id FROM billing_account WHERE {among('id', _CHOSEN)}"
LOCK_SYSTEM_ACCOUNT = (
    f"{_LOCKED} (SELECT * FROM billing_account WHERE kind = {PARAMETER} {FOR_UPDATE}) "
    "AS locked"
)

# Burn order: priority, expiry, promotions before paid credits, oldest.
READ_LOTS = (
    "SELECT id, account_id, remaining_micros, held_micros, "
    f"(expires_at IS NULL OR expires_at > {NOW}) FROM billing_grant "
    f"WHERE remaining_micros > 0 AND {among('account_id', _CHOSEN)} "
    "ORDER BY account_id, priority, expires_at IS NULL, expires_at, "
    "CASE WHEN source IN ('promotion', 'trial') THEN 0 ELSE 1 END, id"
)
_HOLDS = (
    "SELECT id, account_id, spender_id, state, amount_micros, price_factor_ppm, "
    f"operation, model, lease_id, {time_text('placed_at')}, {time_text('due_at')}, "
    f"{time_text('changed_at')}, reason, pins, due_at < {NOW}, bound_micros, shape, "
    f"is_untried, {', '.join(CALLER)}, budgets, envelope_id, is_envelope "
    f"FROM billing_hold WHERE {among('id', 'SELECT id FROM wanted')}"
)
# With a hold come the runs that it is part of.
_UPWARDS = (
    "UNION SELECT h.envelope_id FROM billing_hold h JOIN wanted w ON w.id = h.id "
    f"WHERE h.envelope_id IS NOT NULL) {_HOLDS}"
)
READ_HOLDS = f"WITH RECURSIVE wanted(id) AS ({listed('uuid')} {_UPWARDS}"
# What `Place` needs: also the run whose spender it is, and runs that have expired.
READ_HOLDS_AND_RUNS = (
    f"WITH RECURSIVE wanted(id) AS ({listed('uuid')} "
    "UNION SELECT s.envelope_id FROM billing_spender s "
    f"WHERE {among('s.id', _CHOSEN)} AND s.envelope_id IS NOT NULL "
    f"UNION SELECT h.id FROM billing_hold h WHERE {among('h.account_id', _CHOSEN)} "
    f"AND h.is_envelope AND h.state = 'open' AND h.due_at <= {NOW} {_UPWARDS}"
)
# What was said of holds that have ended: by their end, and after it.
READ_SAID = (
    "SELECT hold_id, price_micros FROM billing_usagerecord "
    f"WHERE {among('hold_id', listed('uuid'))} UNION ALL "
    "SELECT hold_id, said_micros FROM billing_correction "
    f"WHERE {among('hold_id', listed('uuid'))} AND kind <> 'refund'"
)
# A spender, its run, and all who stand above it: whether each of them may spend.
SPENDERS_LINE = (
    "WITH RECURSIVE line(leaf, id) AS "
    f"(SELECT id, id FROM billing_spender WHERE {among('id', _CHOSEN)} UNION ALL "
    "SELECT l.leaf, s.parent_id FROM line l JOIN billing_spender s ON s.id = l.id "
    "WHERE s.parent_id IS NOT NULL)"
)
READ_SPENDERS = (
    f"{SPENDERS_LINE} SELECT l.leaf, s.account_id, s.label, s.project_id, "
    "coalesce(p.label, ''), s.holder_id, coalesce(h.label, ''), s.envelope_id, "
    f"l.leaf = s.id, s.is_open AND (s.closes_at IS NULL OR s.closes_at > {NOW}) "
    "AND (s.project_id IS NULL OR (p.is_open AND p.account_id = s.account_id)) "
    "AND (s.holder_id IS NULL OR (h.is_open AND h.account_id = s.account_id)) "
    "FROM line l JOIN billing_spender s ON s.id = l.id "
    "LEFT JOIN billing_unit p ON p.id = s.project_id "
    "LEFT JOIN billing_unit h ON h.id = s.holder_id"
)

# The attempts at some requests, and whether each was surely nothing; those that ended
# before a time are not asked about any more.
READ_ATTEMPTS = (
    f"SELECT a.hold_id, a.fingerprint, a.retry_count, {time_text('a.placed_at')}, "
    "h.state = 'released' AND u.hold_id IS NULL FROM billing_attempt a "
    "JOIN billing_hold h ON h.id = a.hold_id "
    "LEFT JOIN billing_usagerecord u ON u.hold_id = a.hold_id "
    f"WHERE {among('a.fingerprint', listed('uuid'))} "
    f"AND (h.state IN ('open', 'in_doubt') OR h.changed_at > {TIME_PARAMETER})"
)

# --- what is written ----------------------------------------------------------------


def _update(model: type[Model], columns: tuple[str, ...]) -> str:
    """Set `columns` by the first of them, the id."""
    table = model._meta.db_table
    changes = ", ".join(f"{name} = r.{name}" for name in columns[1:])
    return (
        f"{rows(model, columns)} UPDATE {table} SET {changes} "
        f"FROM r WHERE {table}.id = r.id"
    )


def _insert(model: type[Model], *, tail: str = "") -> str:
    """Rows with every column but an id that the database counts."""
    columns = [
        field.attname
        for field in model._meta.concrete_fields
        if not isinstance(field, AutoField)
    ]
    values = ", ".join(f"r.{name}" for name in columns)
    return (
        f"{rows(model, columns)} INSERT INTO {model._meta.db_table} "
        f"({', '.join(columns)}) SELECT {values} FROM r {tail}"
    )


def _instead(key: str, changes: str) -> str:
    """`tail` for rows that may be there. "WHERE true" lets SQLite tell an upsert's ON
    from a join's."""
    return f"WHERE true ON CONFLICT ({key}) DO UPDATE SET {changes}"


# What changes of a row: the rest of it need not travel.
OF_ACCOUNTS = (
    *("id", "balance_micros", "held_micros", "version", "last_entry_at"),
    *("acts", "chain", "owed_micros"),
)
OF_LOTS = ("id", "remaining_micros", "held_micros")
OF_HOLDS = (
    *("id", "state", "reason", "changed_at", "amount_micros", "pins", "lease_id"),
    *("due_at", "seal", "bound_micros", "budgets"),
)
OF_CORRECTIONS = (
    *("id", "state", "reason", "charged_micros", "absorbed_micros", "requests"),
    "ended_at",
)

UPDATE_ACCOUNTS = _update(Account, OF_ACCOUNTS)
UPDATE_LOTS = _update(Grant, OF_LOTS)
INSERT_HOLDS = _insert(Hold)
INSERT_ATTEMPTS = _insert(Attempt)
UPDATE_HOLDS = _update(Hold, OF_HOLDS)
INSERT_TRANSFERS = _insert(Transfer)
INSERT_ENTRIES = _insert(Entry)
INSERT_BURNS = _insert(Burn)
INSERT_USAGE = _insert(UsageRecord)
INSERT_CORRECTIONS = _insert(Correction)
END_CORRECTIONS = _update(Correction, OF_CORRECTIONS)
INSERT_ACTS = _insert(Act)
INSERT_COMPONENTS = _insert(UsageComponent)

ROLLUP_GROUP = (
    *("account_id", "starts_at", "spender_id", "project_id", "holder_id"),
    *("operation", "model", "client", "basis"),
)
# As the unique index has them: a null is equal to a null.
_ONE_GROUP = (
    "account_id, starts_at, spender_id, coalesce(project_id, 0), "
    "coalesce(holder_id, 0), operation, model, client, basis"
)
ROLLUP_FIGURES = (
    "requests",
    "prompt_tokens",
    "completion_tokens",
    "price_micros",
    "charged_micros",
    "absorbed_micros",
)
UPSERT_ROLLUPS = _insert(
    UsageRollup,
    tail=_instead(
        _ONE_GROUP,
        ", ".join(
            f"{name} = billing_usagerollup.{name} + excluded.{name}"
            for name in ROLLUP_FIGURES
        ),
    ),
)
