"""The ledger's SQL, built once for the database in use.

Every name in here is a constant of this file or a column of a model; values travel as
parameters. Rows that are written have their columns' names.
"""

from __future__ import annotations

from django.db.models import AutoField, Model

from billing.ledger.dialect import (
    FOR_UPDATE,
    FOR_UPDATE_IF_FREE,
    PARAMETER,
    TIME_PARAMETER,
    among,
    listed,
    rows,
)
from billing.models import (
    Account,
    Attempt,
    Entry,
    Grant,
    Hold,
    HoldLot,
    Transfer,
    UsageComponent,
    UsageRecord,
    UsageRollup,
)

# --- what is read, and locked -------------------------------------------------------

_ACCOUNTS = (
    "SELECT id, kind, is_open, usage_account_id, price_factor_ppm, "
    "balance_micros, held_micros, version FROM billing_account"
)
_CHOSEN = listed("bigint")
# Both by key: with OR instead of UNION, PostgreSQL would read every account.
_AND_THEIRS = (
    f"{_CHOSEN} UNION SELECT usage_account_id FROM billing_account "
    f"WHERE {among('id', _CHOSEN)}"
)
LOCK_ACCOUNTS = f"{_ACCOUNTS} WHERE {among('id', _AND_THEIRS)} ORDER BY id {FOR_UPDATE}"
LOCK_FREE_ACCOUNTS = (
    f"{_ACCOUNTS} WHERE {among('id', _AND_THEIRS)} ORDER BY id {FOR_UPDATE_IF_FREE}"
)
READ_KNOWN_ACCOUNTS = f"SELECT id FROM billing_account WHERE {among('id', _CHOSEN)}"
LOCK_SYSTEM_ACCOUNT = f"{_ACCOUNTS} WHERE kind = {PARAMETER} {FOR_UPDATE}"

# Burn order: priority, expiry, promotions before paid credits, oldest.
READ_LOTS = (
    "SELECT id, account_id, remaining_micros, held_micros, "
    f"(expires_at IS NULL OR expires_at > {TIME_PARAMETER}) FROM billing_grant "
    f"WHERE remaining_micros > 0 AND {among('account_id', _CHOSEN)} "
    "ORDER BY account_id, priority, expires_at IS NULL, expires_at, "
    "CASE WHEN source IN ('promotion', 'trial') THEN 0 ELSE 1 END, id"
)
READ_HOLDS = (
    "SELECT id, account_id, spender_id, state, amount_micros, price_factor_ppm, "
    f"operation, model, lease_id, due_at < {TIME_PARAMETER}, "
    "bound_micros, shape, is_untried "
    f"FROM billing_hold WHERE {among('id', listed('uuid'))}"
)
READ_PINS = (
    "SELECT hold_id, grant_id, amount_micros FROM billing_holdlot "
    f"WHERE {among('hold_id', listed('uuid'))} ORDER BY hold_id, rank"
)
READ_SPENDERS = (
    f"SELECT id, account_id FROM billing_spender WHERE {among('id', _CHOSEN)} "
    f"AND is_open AND (closes_at IS NULL OR closes_at > {TIME_PARAMETER})"
)

# The attempts at some requests, and whether each was surely nothing; those that ended
# before a time are not asked about any more.
READ_ATTEMPTS = (
    "SELECT a.hold_id, a.fingerprint, a.retry_count, a.placed_at, "
    "h.state = 'released' AND u.hold_id IS NULL FROM billing_attempt a "
    "JOIN billing_hold h ON h.id = a.hold_id "
    "LEFT JOIN billing_usagerecord u ON u.hold_id = a.hold_id "
    f"WHERE {among('a.fingerprint', listed('uuid'))} "
    f"AND (h.state IN ('open', 'in_doubt') OR h.changed_at > {TIME_PARAMETER})"
)

# --- what is written ----------------------------------------------------------------


def _update(model: type[Model], columns: tuple[str, ...], *, stamp: str = "") -> str:
    """Set `columns` by the first of them, the id, and `stamp`, a time column, to the
    statement's second parameter."""
    table = model._meta.db_table
    changes = [f"{name} = r.{name}" for name in columns[1:]]
    if stamp:
        changes.append(f"{stamp} = {TIME_PARAMETER}")
    return (
        f"{rows(model, columns)} UPDATE {table} SET {', '.join(changes)} "
        f"FROM r WHERE {table}.id = r.id"
    )


def _insert(model: type[Model], *, stamp: str = "", tail: str = "") -> str:
    """Rows with every column but an id that the database counts; `stamp` as above."""
    columns = [
        field.attname
        for field in model._meta.concrete_fields
        if field.attname != stamp and not isinstance(field, AutoField)
    ]
    source, values = rows(model, columns), [f"r.{name}" for name in columns]
    if stamp:
        columns.append(stamp)
        values.append(TIME_PARAMETER)
    return (
        f"{source} INSERT INTO {model._meta.db_table} ({', '.join(columns)}) "
        f"SELECT {', '.join(values)} FROM r {tail}"
    )


def _instead(key: str, changes: str) -> str:
    """`tail` for rows that may be there. "WHERE true" lets SQLite tell an upsert's ON
    from a join's."""
    return f"WHERE true ON CONFLICT ({key}) DO UPDATE SET {changes}"


# What changes of a row: the rest of it need not travel.
OF_ACCOUNTS = ("id", "balance_micros", "held_micros", "version")
OF_LOTS = ("id", "remaining_micros", "held_micros")
OF_HOLDS = ("id", "state", "reason")

UPDATE_ACCOUNTS = _update(Account, OF_ACCOUNTS)
UPDATE_LOTS = _update(Grant, OF_LOTS)
INSERT_HOLDS = _insert(Hold, stamp="placed_at")
INSERT_PINS = _insert(HoldLot)
INSERT_ATTEMPTS = _insert(Attempt, stamp="placed_at")
UPDATE_HOLDS = _update(Hold, OF_HOLDS, stamp="changed_at")
# Which time is later is for the database to say: `load` does not read it.
ENTRUST_HOLDS = (
    rows(Hold, ("id", "amount_micros", "due_at"))
    + " UPDATE billing_hold SET amount_micros = r.amount_micros, lease_id = NULL, "
    "due_at = CASE WHEN r.due_at > billing_hold.due_at THEN r.due_at "
    "ELSE billing_hold.due_at END FROM r WHERE billing_hold.id = r.id"
)
RAISE_PINS = _insert(
    HoldLot,
    tail=_instead("hold_id, grant_id", "amount_micros = excluded.amount_micros"),
)
INSERT_TRANSFERS = _insert(Transfer, stamp="created_at")
INSERT_ENTRIES = _insert(Entry, stamp="created_at")
INSERT_USAGE = _insert(UsageRecord, stamp="settled_at")
INSERT_COMPONENTS = _insert(UsageComponent)

ROLLUP_GROUP = ("account_id", "spender_id", "operation", "model", "basis")
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
    stamp="hour",
    tail=_instead(
        ", ".join((*ROLLUP_GROUP, "hour")),
        ", ".join(
            f"{name} = billing_usagerollup.{name} + excluded.{name}"
            for name in ROLLUP_FIGURES
        ),
    ),
)
