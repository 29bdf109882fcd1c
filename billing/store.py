"""Between the Book and the database: locked rows in, changes out, whatever the count.

Lock order, everywhere in the ledger: organizations' accounts by id (their usage
accounts among them), then system accounts. Nothing is read that is decided upon
before its account is locked: a ledger that read first broke in 5 of 5 runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from billing import dialect
from billing.book import AccountRow, Book, HoldRow, LotRow
from billing.models.account import AccountKind
from billing.orders import Order, Place, Settle
from billing.statements import ROLLUP_FIGURES, statements


def load(orders: Iterable[Order], now: datetime) -> Book:
    """Lock what `orders` touch and read it. Must run inside a transaction."""
    orders = list(orders)
    book = Book(now)
    lock_accounts(book, {order.account_id for order in orders})
    _read_holds(book, [order.hold_id for order in orders])
    _read_spenders(
        book, {order.spender_id for order in orders if isinstance(order, Place)}, now
    )
    read_lots(book, now)
    if any(_may_overrun(book, order) for order in orders):
        lock_system_account(book, AccountKind.ABSORBED)
    return book


def lock_accounts(book: Book, account_ids: set[int]) -> None:
    """Lock organizations' accounts and their usage accounts, in id order."""
    ids = dialect.json(sorted(account_ids))
    for row in dialect.run(statements().lock_accounts, ids, ids):
        book.accounts[row[0]] = AccountRow(*row[:2], bool(row[2]), *row[3:])


def lock_system_account(book: Book, kind: AccountKind) -> AccountRow:
    """Lock one of the operator's own accounts; always after organizations'."""
    row = dialect.run(statements().lock_system_account, kind.value)[0]
    account = AccountRow(*row[:2], bool(row[2]), *row[3:])
    book.accounts[account.id] = account
    return account


def read_lots(book: Book, now: datetime) -> None:
    """Read the locked accounts' lots in burn order."""
    ids = dialect.json(list(book.accounts))
    for row in dialect.run(statements().read_lots, dialect.moment(now), ids):
        lot = LotRow(*row[:4], bool(row[4]))
        book.lots.setdefault(lot.account_id, []).append(lot)


def _read_holds(book: Book, hold_ids: list[str]) -> None:
    ids = dialect.json(hold_ids)
    for row in dialect.run(statements().read_holds, ids):
        hold = HoldRow(dialect.hex_id(row[0]), *row[1:])
        book.holds[hold.id] = hold
    if book.holds:
        for hold_id, grant_id, amount in dialect.run(statements().read_pins, ids):
            book.holds[dialect.hex_id(hold_id)].pins.append((grant_id, amount))


def _read_spenders(book: Book, spender_ids: set[int], now: datetime) -> None:
    if spender_ids:
        ids = dialect.json(list(spender_ids))
        found = dialect.run(statements().read_spenders, ids, dialect.moment(now))
        book.open_spenders = {row[0]: row[1] for row in found}


def _may_overrun(book: Book, order: Order) -> bool:
    if not isinstance(order, Settle):
        return False
    hold = book.holds.get(order.hold_id)
    if hold is None:
        return True  # it may be placed by the same batch
    # Compared without rounding: true a little too often is harmless.
    price_ppm = order.usage.price_micros * hold.price_factor_ppm
    return price_ppm > hold.amount_micros * 1_000_000


def save(book: Book) -> None:
    """Write every change of the batch. Must run in the transaction of `load`."""
    now = dialect.moment(book.now)
    _write_accounts(book)
    _write_lots(book)
    _write_holds(book, now)
    _write_journal(book, now)
    _write_usage(book, now)


def _write(statement: str, *parameters: Any, rows: list[Any]) -> None:
    if rows:
        dialect.run(statement, dialect.json(rows), *parameters)


def _write_accounts(book: Book) -> None:
    rows = [
        {"id": a.id, "balance": a.balance_micros, "held": a.held_micros, "v": a.version}
        for a in book.accounts.values()
        if a.changed
    ]
    _write(statements().update_accounts, rows=rows)


def _write_lots(book: Book) -> None:
    rows = [
        {"id": lot.id, "remaining": lot.remaining_micros, "held": lot.held_micros}
        for lots in book.lots.values()
        for lot in lots
        if lot.changed
    ]
    _write(statements().update_lots, rows=rows)


def _write_holds(book: Book, now: str | None) -> None:
    new = [hold for hold in book.holds.values() if hold.is_new]
    _write(
        statements().insert_holds,
        now,
        rows=[
            {
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
            }
            for hold in new
        ],
    )
    _write(
        statements().insert_pins,
        rows=[
            {"hold": hold.id, "lot": lot_id, "amount": amount, "rank": rank}
            for hold in new
            for rank, (lot_id, amount) in enumerate(hold.pins)
        ],
    )
    _write(
        statements().update_holds,
        now,
        rows=[
            {"id": hold.id, "state": hold.state, "reason": hold.reason}
            for hold in book.holds.values()
            if hold.changed
        ],
    )


def _write_journal(book: Book, now: str | None) -> None:
    _write(
        statements().insert_transfers,
        now,
        rows=[
            {
                "id": t.id,
                "kind": t.kind,
                "source": t.source_id,
                "destination": t.destination_id,
                "amount": t.amount_micros,
                "reference": t.reference,
                "fingerprint": t.fingerprint,
                "hold": t.hold_id,
            }
            for t in book.transfers
        ],
    )
    _write(
        statements().insert_entries,
        now,
        rows=[
            {
                "account": e.account_id,
                "v": e.version,
                "transfer": e.transfer_id,
                "amount": e.amount_micros,
                "after": e.balance_after_micros,
            }
            for e in book.entries
        ],
    )


def _write_usage(book: Book, now: str | None) -> None:
    _write(
        statements().insert_usage,
        now,
        rows=[
            {
                "hold": row.hold.id,
                "account": row.hold.account_id,
                "spender": row.hold.spender_id,
                "operation": row.hold.operation,
                "model": row.hold.model,
                "basis": row.usage.basis,
                "upstream": row.usage.upstream_micros,
                "price": row.price_micros,
                "charged": row.charged_micros,
                "absorbed": row.absorbed_micros,
                "prompt": row.usage.prompt_tokens,
                "completion": row.usage.completion_tokens,
                "upstream_id": row.usage.upstream_id,
                "streamed": row.usage.streamed,
                "duration": row.usage.duration_ms,
                "flags": row.flags,
            }
            for row in book.usage
        ],
    )
    _write(
        statements().insert_components,
        rows=[
            {"hold": row.hold.id, "name": name, "micros": micros}
            for row in book.usage
            for name, micros in row.usage.components.items()
        ],
    )
    hour = dialect.moment(book.now.replace(minute=0, second=0, microsecond=0))
    _write(statements().upsert_rollups, hour, rows=_rollup_rows(book))


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
