"""Between the Book and the database: locked rows in, changes out, whatever the count.

Lock order, everywhere in the ledger: organizations' accounts by id (their usage
accounts among them), then system accounts. Nothing is read that is decided upon
before its account is locked: a ledger that read first broke in 5 of 5 runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from billing.ledger import dialect
from billing.ledger.book import Book
from billing.ledger.pipeline import Row, Statement
from billing.ledger.rows import (
    AccountRow,
    EntryRow,
    HoldRow,
    LotRow,
    TransferRow,
    UsageRow,
)
from billing.ledger.sql import ROLLUP_FIGURES, statements
from billing.models.account import AccountKind
from billing.values.amounts import PPM
from billing.values.orders import Order, Place, Settle


def load(
    orders: Iterable[Order[object]], now: datetime, *, opening: Sequence[str] = ()
) -> Book:
    """Lock what `orders` touch and read it, in a transaction: the caller's, or one
    that `opening` begins."""
    orders = list(orders)
    reads = _reads(orders, dialect.moment(now))
    first = [*[(text,) for text in opening], *_preparation()]
    found = dialect.run_all([*first, *reads.values()])[len(first) :]
    rows = dict(zip(reads, found, strict=True))
    book = Book(now)
    _take_accounts(book, rows["accounts"])
    _take_lots(book, rows["lots"])
    _take_holds(book, rows["holds"], rows.get("pins", []))
    book.open_spenders = {row[0]: row[1] for row in rows.get("spenders", [])}
    if any(_may_overrun(book, order) for order in orders):
        lock_system_account(book, AccountKind.ABSORBED)
    return book


def _reads(orders: Sequence[Order[object]], moment: str | None) -> dict[str, Statement]:
    """What these orders need to know. Locks first: each statement after them sees
    what is committed by then."""
    sql = statements()
    accounts = dialect.json(sorted({order.account_id for order in orders}))
    places = [order for order in orders if isinstance(order, Place)]
    pinned = [order.hold_id for order in orders if not isinstance(order, Place)]
    reads: dict[str, Statement] = {
        "accounts": (sql.lock_accounts, accounts, accounts),
        "lots": (sql.read_lots, moment, accounts),
        "holds": (sql.read_holds, moment, dialect.json([o.hold_id for o in orders])),
    }
    if pinned:
        reads["pins"] = (sql.read_pins, dialect.json(pinned))
    if places:
        spenders = sorted({order.spender_id for order in places})
        reads["spenders"] = (sql.read_spenders, dialect.json(spenders), moment)
    return reads


def _preparation() -> list[Statement]:
    return [(dialect.PLAN_BY_KEY,)] if dialect.is_postgres() else []


def lock_accounts(book: Book, account_ids: set[int]) -> None:
    """Lock organizations' accounts and their usage accounts, in id order."""
    ids = dialect.json(sorted(account_ids))
    _take_accounts(book, dialect.run(statements().lock_accounts, ids, ids))


def lock_system_account(book: Book, kind: AccountKind) -> AccountRow:
    """Lock one of the operator's own accounts; always after organizations'."""
    rows = dialect.run(statements().lock_system_account, kind.value)
    _take_accounts(book, rows)
    return book.system_account(kind)


def read_lots(book: Book, now: datetime) -> None:
    """Read the locked accounts' lots in burn order."""
    ids = dialect.json(list(book.accounts))
    _take_lots(book, dialect.run(statements().read_lots, dialect.moment(now), ids))


def _take_accounts(book: Book, rows: list[Row]) -> None:
    for row in rows:
        book.accounts[row[0]] = AccountRow(*row)


def _take_lots(book: Book, rows: list[Row]) -> None:
    for row in rows:
        lot = LotRow(*row)
        book.lots.setdefault(lot.account_id, []).append(lot)


def _take_holds(book: Book, rows: list[Row], pins: list[Row]) -> None:
    for row in rows:
        hold = HoldRow(dialect.hex_id(row[0]), *row[1:])
        if hold.lease_id is not None:
            hold.lease_id = dialect.hex_id(hold.lease_id)
        book.holds[hold.id] = hold
    for hold_id, grant_id, amount in pins:
        book.holds[dialect.hex_id(hold_id)].pins.append((grant_id, amount))


def _may_overrun(book: Book, order: Order[object]) -> bool:
    if not isinstance(order, Settle):
        return False
    hold = book.holds.get(order.hold_id)
    if hold is None:
        return True  # it may be placed by the same batch
    # Compared without rounding: true a little too often is harmless.
    price_ppm = order.usage.cost_micros * hold.price_factor_ppm
    return price_ppm > hold.amount_micros * PPM


def save(book: Book, *, closing: Sequence[str] = ()) -> None:
    """Write every change of the batch in the transaction of `load`, which `closing`
    may end."""
    sql, now = statements(), dialect.moment(book.now)
    hour = dialect.moment(book.now.replace(minute=0, second=0, microsecond=0))
    new = [hold for hold in book.holds.values() if hold.is_new]
    raised = [hold for hold in book.holds.values() if hold.raised and not hold.is_new]
    writes: list[tuple[str, list[dict[str, Any]], tuple[Any, ...]]] = [
        (sql.update_accounts, _account_rows(book), ()),
        (sql.update_lots, _lot_rows(book), ()),
        (sql.insert_holds, [_hold_row(hold) for hold in new], (now,)),
        (sql.insert_pins, [row for hold in new for row in _pin_rows(hold)], ()),
        (sql.update_holds, _changed_hold_rows(book), (now,)),
        (sql.entrust_holds, _entrusted_hold_rows(book), ()),
        (sql.raise_pins, [row for hold in raised for row in _pin_rows(hold)], ()),
        (sql.insert_transfers, [_transfer_row(t) for t in book.transfers], (now,)),
        (sql.insert_entries, [_entry_row(entry) for entry in book.entries], (now,)),
        (sql.insert_usage, [_usage_row(row) for row in book.usage], (now,)),
        (sql.insert_components, _component_rows(book), ()),
        (sql.upsert_rollups, _rollup_rows(book), (hour,)),
    ]
    dialect.run_all(
        [(text, dialect.json(rows), *more) for text, rows, more in writes if rows]
        + [(text,) for text in closing]
    )


def _account_rows(book: Book) -> list[dict[str, Any]]:
    return [
        {"id": a.id, "balance": a.balance_micros, "held": a.held_micros, "v": a.version}
        for a in book.accounts.values()
        if a.changed
    ]


def _lot_rows(book: Book) -> list[dict[str, Any]]:
    return [
        {"id": lot.id, "remaining": lot.remaining_micros, "held": lot.held_micros}
        for lots in book.lots.values()
        for lot in lots
        if lot.changed
    ]


def _hold_row(hold: HoldRow) -> dict[str, Any]:
    return {
        "id": hold.id,
        "account": hold.account_id,
        "spender": hold.spender_id,
        "state": hold.state,
        "amount": hold.amount_micros,
        "factor": hold.price_factor_ppm,
        "operation": hold.operation,
        "model": hold.model,
        "lease": hold.lease_id,
        "due": dialect.moment(hold.due_at),
        "reason": hold.reason,
        "fingerprint": hold.fingerprint,
    }


def _pin_rows(hold: HoldRow) -> list[dict[str, Any]]:
    return [
        {"hold": hold.id, "lot": lot_id, "amount": amount, "rank": rank}
        for rank, (lot_id, amount) in enumerate(hold.pins)
    ]


def _changed_hold_rows(book: Book) -> list[dict[str, Any]]:
    return [
        {"id": hold.id, "state": hold.state, "reason": hold.reason}
        for hold in book.holds.values()
        if hold.changed
    ]


def _entrusted_hold_rows(book: Book) -> list[dict[str, Any]]:
    """Which time is later is for the database to say: `load` does not read it."""
    return [
        {
            "id": hold.id,
            "amount": hold.amount_micros,
            "until": dialect.moment(hold.entrusted_until),
        }
        for hold in book.holds.values()
        if hold.entrusted_until
    ]


def _transfer_row(transfer: TransferRow) -> dict[str, Any]:
    return {
        "id": transfer.id,
        "kind": transfer.kind,
        "source": transfer.source_id,
        "destination": transfer.destination_id,
        "amount": transfer.amount_micros,
        "reference": transfer.reference,
        "fingerprint": transfer.fingerprint,
        "hold": transfer.hold_id,
    }


def _entry_row(entry: EntryRow) -> dict[str, Any]:
    return {
        "account": entry.account_id,
        "v": entry.version,
        "transfer": entry.transfer_id,
        "amount": entry.amount_micros,
        "after": entry.balance_after_micros,
    }


def _usage_row(row: UsageRow) -> dict[str, Any]:
    usage = row.usage
    return {
        "hold": row.hold.id,
        "account": row.hold.account_id,
        "spender": row.hold.spender_id,
        "operation": row.hold.operation,
        "model": row.hold.model,
        "basis": usage.basis,
        "upstream": usage.upstream_micros,
        "price": row.price_micros,
        "charged": row.charged_micros,
        "absorbed": row.absorbed_micros,
        "prompt": usage.prompt_tokens,
        "completion": usage.completion_tokens,
        "upstream_id": usage.upstream_id,
        "streamed": usage.streamed,
        "duration": usage.duration_ms,
        "flags": row.flags,
    }


def _component_rows(book: Book) -> list[dict[str, Any]]:
    return [
        {"hold": row.hold.id, "name": name, "micros": micros}
        for row in book.usage
        for name, micros in row.usage.components.items()
    ]


def _rollup_rows(book: Book) -> list[dict[str, Any]]:
    """One row for each group of the batch: an upsert may touch a row only once."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for row in book.usage:
        hold = row.hold
        group = (
            hold.account_id,
            hold.spender_id,
            hold.operation,
            hold.model,
            row.usage.basis,
        )
        figures = (
            1,
            row.usage.prompt_tokens,
            row.usage.completion_tokens,
            row.price_micros,
            row.charged_micros,
            row.absorbed_micros,
        )
        sums = groups.setdefault(group, [0] * len(figures))
        for place, figure in enumerate(figures):
            sums[place] += figure
    names = ("account", "spender", "operation", "model", "basis", *ROLLUP_FIGURES)
    return [
        dict(zip(names, (*group, *sums), strict=True))
        for group, sums in sorted(groups.items())
    ]
