"""Between the Book and the database: locked rows in, changes out, whatever the count.

Lock order, everywhere in the ledger: organizations' accounts by id (their usage
accounts among them), then system accounts. Nothing is read that is decided upon
before its account is locked: a ledger that read first broke in 5 of 5 runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from billing.ledger import attempts, dialect, learned, sql
from billing.ledger.book import Book
from billing.ledger.pipeline import Row, Statement
from billing.ledger.rows import AccountRow, HoldRow, LotRow
from billing.models.account import AccountKind
from billing.values.amounts import PPM
from billing.values.orders import Order, Place, Settle


def load(
    orders: Sequence[Order[object]],
    now: datetime,
    *,
    lock_ms: int,
    opening: Sequence[str] = (),
) -> Book:
    """Lock what `orders` touch and read it, in a transaction: the caller's, or one
    that `opening` begins. Waits `lock_ms` for each lock that somebody else has."""
    reads = _reads(orders, dialect.moment(now)) | attempts.question(orders, now)
    first = [(text,) for text in opening] + dialect.transaction_settings(lock_ms)
    found = dialect.run_all([*first, *reads.values()])[len(first) :]
    rows = dict(zip(reads, found, strict=True))
    book = Book(now)
    _take_accounts(book, rows["accounts"])
    _take_lots(book, rows["lots"])
    _take_holds(book, rows["holds"], rows.get("pins", []))
    book.open_spenders = dict(rows.get("spenders", []))
    book.attempts = attempts.read(rows.get("attempts", []))
    learned.take(book.bounds, rows.get("bounds", []))
    may_overrun = any(_may_overrun(book, order) for order in orders)
    if may_overrun:
        lock_system_account(book, AccountKind.ABSORBED)
    learned.read_more(book.bounds, orders, book.holds, may_overrun=may_overrun)
    return book


def _reads(orders: Sequence[Order[object]], moment: str) -> dict[str, Statement]:
    """What these orders need to know. Locks first: each statement after them sees
    what is committed by then."""
    accounts = dialect.json(sorted({order.account_id for order in orders}))
    spenders = sorted({o.spender_id for o in orders if isinstance(o, Place)})
    pinned = [order.hold_id for order in orders if not isinstance(order, Place)]
    reads: dict[str, Statement] = {
        "accounts": (sql.LOCK_ACCOUNTS, accounts, accounts),
        "lots": (sql.READ_LOTS, moment, accounts),
        "holds": (sql.READ_HOLDS, moment, dialect.json([o.hold_id for o in orders])),
    }
    if pinned:
        reads["pins"] = (sql.READ_PINS, dialect.json(pinned))
    if spenders:
        reads["spenders"] = (sql.READ_SPENDERS, dialect.json(spenders), moment)
    return reads | learned.reads(orders)


def lock_free_accounts(orders: Sequence[Order[object]], lock_ms: int) -> set[int]:
    """Lock those accounts of the orders that nobody else has locked, each with its
    usage account, in the caller's transaction; which they are. An account that does
    not exist is one of them: its orders are refused, and wait for nobody."""
    ids = dialect.json(sorted({order.account_id for order in orders}))
    *_, rows, known = dialect.run_all(
        [
            *dialect.transaction_settings(lock_ms),
            (sql.LOCK_FREE_ACCOUNTS, ids, ids),
            (sql.READ_KNOWN_ACCOUNTS, ids),
        ]
    )
    locked = {row[0]: AccountRow(*row) for row in rows}
    busy = {
        account_id
        for (account_id,) in known
        if account_id not in locked
        or locked[account_id].usage_account_id not in {None, *locked}
    }
    return {order.account_id for order in orders} - busy


def lock_accounts(book: Book, account_ids: set[int]) -> None:
    """Lock organizations' accounts and their usage accounts, in id order."""
    ids = dialect.json(sorted(account_ids))
    _take_accounts(book, dialect.run(sql.LOCK_ACCOUNTS, ids, ids))


def lock_system_account(book: Book, kind: AccountKind) -> AccountRow:
    """Lock one of the operator's own accounts; always after organizations'."""
    rows = dialect.run(sql.LOCK_SYSTEM_ACCOUNT, kind.value)
    _take_accounts(book, rows)
    return book.system_account(kind)


def read_lots(book: Book, now: datetime) -> None:
    """Read the locked accounts' lots in burn order."""
    ids = dialect.json(list(book.accounts))
    _take_lots(book, dialect.run(sql.READ_LOTS, dialect.moment(now), ids))


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
    now = dialect.moment(book.now)
    hour = dialect.moment(book.now.replace(minute=0, second=0, microsecond=0))
    all_lots = chain.from_iterable(book.lots.values())
    holds = book.holds.values()
    new = [hold for hold in holds if hold.is_new]
    raised = [hold for hold in holds if hold.raised and not hold.is_new]
    writes: list[tuple[str, Sequence[Any], tuple[str, ...]]] = [
        (sql.UPDATE_ACCOUNTS, _changes(book.accounts.values(), sql.OF_ACCOUNTS), ()),
        (sql.UPDATE_LOTS, _changes(all_lots, sql.OF_LOTS), ()),
        (sql.INSERT_HOLDS, new, (now,)),
        (sql.INSERT_PINS, _pins(new), ()),
        (sql.INSERT_ATTEMPTS, [each for each in book.attempts if each.is_new], (now,)),
        (sql.UPDATE_HOLDS, _changes(holds, sql.OF_HOLDS), (now,)),
        (sql.ENTRUST_HOLDS, [hold for hold in holds if hold.entrusted], ()),
        (sql.RAISE_PINS, _pins(raised), ()),
        (sql.INSERT_TRANSFERS, book.transfers, (now,)),
        (sql.INSERT_ENTRIES, book.entries, (now,)),
        (sql.INSERT_USAGE, book.usage, (now,)),
        (sql.INSERT_COMPONENTS, book.components, ()),
        (sql.UPSERT_ROLLUPS, _rollups(book), (hour,)),
    ]
    dialect.run_all(
        [(text, dialect.json(rows), *more) for text, rows, more in writes if rows]
        + learned.writes(book.bounds)
        + [(text,) for text in closing]
    )
    learned.tell(book.bounds)


def _changes(
    rows: Iterable[AccountRow | LotRow | HoldRow], names: Sequence[str]
) -> list[dict[str, Any]]:
    return [{name: getattr(row, name) for name in names} for row in rows if row.changed]


def _pins(holds: Iterable[HoldRow]) -> list[dict[str, Any]]:
    return [
        {"hold_id": hold.id, "grant_id": lot_id, "amount_micros": amount, "rank": rank}
        for hold in holds
        for rank, (lot_id, amount) in enumerate(hold.pins)
    ]


def _rollups(book: Book) -> list[dict[str, Any]]:
    """One row for each group of the batch: an upsert may touch a row only once."""
    groups: dict[tuple[Any, ...], dict[str, int]] = {}
    for row in book.usage:
        group = tuple(row[name] for name in sql.ROLLUP_GROUP)
        sums = groups.setdefault(group, dict.fromkeys(sql.ROLLUP_FIGURES, 0))
        for name, figure in (row | {"requests": 1}).items():
            if name in sums:
                sums[name] += figure
    return [
        dict(zip(sql.ROLLUP_GROUP, group, strict=True)) | groups[group]
        for group in sorted(groups)
    ]
