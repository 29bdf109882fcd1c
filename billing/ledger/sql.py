"""The ledger's SQL, built once for each kind of database.

Every name in here is a constant of this file; values travel as parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from billing.ledger.dialect import (
    among,
    for_update,
    listed,
    parameter,
    rows,
    time_parameter,
)

ACCOUNT_COLUMNS = (
    "id, kind, is_open, usage_account_id, price_factor_ppm, "
    "balance_micros, held_micros, version"
)


@dataclass(frozen=True, slots=True)
class Statements:
    """One statement for each thing that `store` reads or writes."""

    lock_accounts: str
    lock_system_account: str
    read_lots: str
    read_holds: str
    read_pins: str
    read_spenders: str
    update_accounts: str
    update_lots: str
    insert_holds: str
    insert_pins: str
    update_holds: str
    entrust_holds: str
    raise_pins: str
    insert_transfers: str
    insert_entries: str
    insert_usage: str
    insert_components: str
    upsert_rollups: str


@cache
def statements() -> Statements:
    """The statements for the database in use."""
    return Statements(**_reads(), **_updates(), **_inserts())


def _reads() -> dict[str, str]:
    chosen = listed("int")
    # Both by key: with OR instead of UNION, PostgreSQL would read every account.
    and_theirs = (
        f"{chosen} UNION SELECT usage_account_id FROM billing_account "
        f"WHERE {among('id', chosen)}"
    )
    return {
        "lock_accounts": (
            f"SELECT {ACCOUNT_COLUMNS} FROM billing_account "
            f"WHERE {among('id', and_theirs)} ORDER BY id {for_update()}"
        ),
        "lock_system_account": (
            f"SELECT {ACCOUNT_COLUMNS} FROM billing_account "
            f"WHERE kind = {parameter()} {for_update()}"
        ),
        # Burn order: priority, expiry, promotions before paid credits, oldest.
        "read_lots": (
            "SELECT id, account_id, remaining_micros, held_micros, "
            f"(expires_at IS NULL OR expires_at > {time_parameter()}) "
            "FROM billing_grant "
            f"WHERE remaining_micros > 0 AND {among('account_id', listed('int'))} "
            "ORDER BY account_id, priority, expires_at IS NULL, expires_at, "
            "CASE WHEN source IN ('promotion', 'trial') THEN 0 ELSE 1 END, id"
        ),
        "read_holds": (
            "SELECT id, account_id, spender_id, state, amount_micros, "
            f"price_factor_ppm, operation, model, lease_id, "
            f"due_at < {time_parameter()} "
            f"FROM billing_hold WHERE {among('id', listed('uuid'))}"
        ),
        "read_pins": (
            "SELECT hold_id, grant_id, amount_micros FROM billing_holdlot "
            f"WHERE {among('hold_id', listed('uuid'))} ORDER BY hold_id, rank"
        ),
        "read_spenders": (
            "SELECT id, account_id FROM billing_spender "
            f"WHERE {among('id', listed('int'))} AND is_open "
            f"AND (closes_at IS NULL OR closes_at > {time_parameter()})"
        ),
    }


def _updates() -> dict[str, str]:
    return {
        "update_accounts": (
            rows({"id": "int", "balance": "int", "held": "int", "v": "int"})
            + " UPDATE billing_account SET balance_micros = r.balance, "
            "held_micros = r.held, version = r.v "
            "FROM r WHERE billing_account.id = r.id"
        ),
        "update_lots": (
            rows({"id": "int", "remaining": "int", "held": "int"})
            + " UPDATE billing_grant SET remaining_micros = r.remaining, "
            "held_micros = r.held FROM r WHERE billing_grant.id = r.id"
        ),
        "update_holds": (
            rows({"id": "uuid", "state": "text", "reason": "text"})
            + " UPDATE billing_hold SET state = r.state, reason = r.reason, "
            f"changed_at = {time_parameter()} FROM r WHERE billing_hold.id = r.id"
        ),
        "entrust_holds": (
            rows({"id": "uuid", "amount": "int", "until": "time"})
            + " UPDATE billing_hold SET amount_micros = r.amount, lease_id = NULL, "
            "due_at = CASE WHEN r.until > due_at THEN r.until ELSE due_at END "
            "FROM r WHERE billing_hold.id = r.id"
        ),
    }


def _insert(table: str, columns: Columns, stamp: str = "", tail: str = "") -> str:
    """INSERT … SELECT; `columns` maps table columns to (row's name, type), and
    `stamp` is a time column that the statement's second parameter fills."""
    targets = ", ".join([*columns, *([stamp] if stamp else [])])
    values = ", ".join(f"r.{name}" for name, _ in columns.values())
    if stamp:
        values += f", {time_parameter()}"
    source = rows(dict(columns.values()))
    # "WHERE true" lets SQLite tell an upsert's ON from a join's.
    return f"{source} INSERT INTO {table} ({targets}) SELECT {values} FROM r {tail}"


Columns = dict[str, tuple[str, str]]  # table's column → (name in the row, type)


@dataclass(frozen=True, slots=True)
class Insert:
    """Rows that are written; `stamp` is a time column, filled by a parameter."""

    table: str
    columns: Columns
    stamp: str = ""


INSERTS = {
    "insert_holds": Insert(
        "billing_hold",
        {
            "id": ("id", "uuid"),
            "account_id": ("account", "int"),
            "spender_id": ("spender", "int"),
            "state": ("state", "text"),
            "amount_micros": ("amount", "int"),
            "price_factor_ppm": ("factor", "int"),
            "operation": ("operation", "text"),
            "model": ("model", "text"),
            "lease_id": ("lease", "uuid"),
            "due_at": ("due", "time"),
            "reason": ("reason", "text"),
            "fingerprint": ("fingerprint", "uuid"),
        },
        stamp="placed_at",
    ),
    "insert_pins": Insert(
        "billing_holdlot",
        {
            "hold_id": ("hold", "uuid"),
            "grant_id": ("lot", "int"),
            "amount_micros": ("amount", "int"),
            "rank": ("rank", "int"),
        },
    ),
    "insert_transfers": Insert(
        "billing_transfer",
        {
            "id": ("id", "uuid"),
            "kind": ("kind", "text"),
            "source_id": ("source", "int"),
            "destination_id": ("destination", "int"),
            "amount_micros": ("amount", "int"),
            "reference": ("reference", "text"),
            "fingerprint": ("fingerprint", "text"),
            "hold_id": ("hold", "uuid"),
        },
        stamp="created_at",
    ),
    "insert_entries": Insert(
        "billing_entry",
        {
            "account_id": ("account", "int"),
            "version": ("v", "int"),
            "transfer_id": ("transfer", "uuid"),
            "amount_micros": ("amount", "int"),
            "balance_after_micros": ("after", "int"),
        },
        stamp="created_at",
    ),
    "insert_usage": Insert(
        "billing_usagerecord",
        {
            "hold_id": ("hold", "uuid"),
            "account_id": ("account", "int"),
            "spender_id": ("spender", "int"),
            "operation": ("operation", "text"),
            "model": ("model", "text"),
            "basis": ("basis", "text"),
            "upstream_micros": ("upstream", "int"),
            "price_micros": ("price", "int"),
            "charged_micros": ("charged", "int"),
            "absorbed_micros": ("absorbed", "int"),
            "prompt_tokens": ("prompt", "int"),
            "completion_tokens": ("completion", "int"),
            "upstream_id": ("upstream_id", "text"),
            "streamed": ("streamed", "bool"),
            "duration_ms": ("duration", "int"),
            "flags": ("flags", "text"),
        },
        stamp="settled_at",
    ),
    "insert_components": Insert(
        "billing_usagecomponent",
        {
            "usage_id": ("hold", "uuid"),
            "name": ("name", "text"),
            "upstream_micros": ("micros", "int"),
        },
    ),
}


def _inserts() -> dict[str, str]:
    texts = {
        name: _insert(insert.table, insert.columns, insert.stamp)
        for name, insert in INSERTS.items()
    }
    pins = INSERTS["insert_pins"]
    grown = (
        "WHERE true ON CONFLICT (hold_id, grant_id) "
        "DO UPDATE SET amount_micros = excluded.amount_micros"
    )
    return texts | {
        "raise_pins": _insert(pins.table, pins.columns, tail=grown),
        "upsert_rollups": _upsert_rollups(),
    }


ROLLUP_FIGURES = (
    "requests",
    "prompt_tokens",
    "completion_tokens",
    "price_micros",
    "charged_micros",
    "absorbed_micros",
)


def _upsert_rollups() -> str:
    groups = {
        "account_id": ("account", "int"),
        "spender_id": ("spender", "int"),
        "operation": ("operation", "text"),
        "model": ("model", "text"),
        "basis": ("basis", "text"),
    }
    figures = {name: (name, "int") for name in ROLLUP_FIGURES}
    sums = ", ".join(
        f"{name} = billing_usagerollup.{name} + excluded.{name}"
        for name in ROLLUP_FIGURES
    )
    return _insert(
        "billing_usagerollup",
        groups | figures,
        stamp="hour",
        tail=(
            "WHERE true "
            "ON CONFLICT (account_id, hour, spender_id, operation, model, basis) "
            f"DO UPDATE SET {sums}"
        ),
    )
