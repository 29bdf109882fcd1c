"""Between the Book and the database: locked rows in, changes out, whatever the count.

Lock order, everywhere in the ledger: organizations' accounts by id (their usage
accounts among them), then system accounts. Nothing is read that is decided upon
before its account is locked: a ledger that read first broke in 5 of 5 runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import orjson
from django.db.models import Q

from billing.ledger import (
    attempts,
    budget_count,
    budget_rows,
    dialect,
    envelopes,
    facts,
    learned,
    running,
    sql,
)
from billing.ledger.book import Book
from billing.ledger.facts import New
from billing.ledger.pipeline import Row, Statement
from billing.ledger.rows import AccountRow, HoldRow, LotRow, Pair, SpenderRow
from billing.ledger.writes import Write
from billing.models import Hold
from billing.models.account import AccountKind
from billing.models.hold import HoldState
from billing.values.amounts import PPM
from billing.values.orders import Entrust, Order, Place, Release, Settle


def load(
    orders: Sequence[Order[object]],
    *,
    lock_ms: int,
    opening: Sequence[str] = (),
) -> Book:
    """Lock what `orders` touch and read it, in a transaction: the caller's, or one
    that `opening` begins. Waits `lock_ms` for each lock that somebody else has."""
    reads = _reads(orders, dialect.now_parameter()) | attempts.question(orders)
    first = [(text,) for text in opening] + dialect.transaction_settings(lock_ms)
    found = dialect.run_all([*first, *reads.values()])[len(first) :]
    rows = dict(zip(reads, found, strict=True))
    book = Book()
    _take_accounts(book, rows["accounts"])
    _take_lots(book, rows["lots"])
    _take_holds(book, rows["holds"])
    _take_spenders(book, rows.get("spenders", []))
    budget_rows.take(book.budgets, rows.get("budgets", []))
    running.take(book.running, rows.get("running", []))
    book.attempts = attempts.read(rows.get("attempts", []))
    learned.take(book.bounds, rows.get("bounds", []))
    ended = {o.hold_id for o in orders if _is_second_word(book, o)}
    if ended:
        read_said(book, ended)
    overruns = [order for order in orders if _may_overrun(book, order)]
    if may_overrun := bool(overruns):
        lock_system_account(book, AccountKind.ABSORBED)
    jobs = [order for order in orders if isinstance(order, Entrust)]
    read_budget_windows(book, [order.hold_id for order in (*overruns, *jobs)])
    learned.read_more(book.bounds, orders, book.holds, may_overrun=may_overrun)
    return book


def _reads(orders: Sequence[Order[object]], now: str | None) -> dict[str, Statement]:
    """What these orders need to know. Locks first: each statement after them sees
    what is committed by then."""
    accounts = dialect.json(sorted({order.account_id for order in orders}))
    ids = dialect.json([order.hold_id for order in orders])
    reads: dict[str, Statement] = {
        "accounts": (sql.LOCK_ACCOUNTS, now, accounts, accounts),
        "lots": (sql.READ_LOTS, now, accounts),
        "holds": (sql.READ_HOLDS, ids, now),
    }
    if spenders := sorted({o.spender_id for o in orders if isinstance(o, Place)}):
        wanted = dialect.json(spenders)
        question = (sql.READ_HOLDS_AND_RUNS, ids, wanted, accounts, now, now)
        reads["holds"] = question
        reads["spenders"] = (sql.READ_SPENDERS, wanted, now)
    reads |= budget_rows.reads(orders, now) | running.reads(orders)
    return reads | learned.reads(orders)


def lock_free_accounts(orders: Sequence[Order[object]], lock_ms: int) -> set[int]:
    """Lock those accounts of the orders that nobody else has locked, each with its
    usage account, in the caller's transaction; which they are. An account that does
    not exist is one of them: its orders are refused, and wait for nobody."""
    ids = dialect.json(sorted({order.account_id for order in orders}))
    now = dialect.now_parameter()
    *_, rows, known = dialect.run_all(
        [
            *dialect.transaction_settings(lock_ms),
            (sql.LOCK_FREE_ACCOUNTS, now, ids, ids),
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


def read_holds(book: Book, hold_ids: Sequence[str]) -> None:
    """Read holds whose accounts are locked."""
    ids, now = dialect.json(hold_ids), dialect.now_parameter()
    _take_holds(book, dialect.run(sql.READ_HOLDS, ids, now))


def held_by_runs(account_id: int, pair: Pair | None = None) -> int:
    """What runs hold of what the account has, or of what counts in a window: as it was
    before the transaction's own changes, for whoever is refused because of it."""
    # PLAN: in so many words, or SQLite does not see the index `hold_unresolved` in it
    # and reads every hold of the account.
    found = Hold.objects.filter(account_id=account_id).extra(
        where=["billing_hold.state IN ('open', 'in_doubt')"]
    )
    of_runs = found.filter(Q(is_envelope=True) | Q(envelope__isnull=False))
    book = Book()
    read_holds(book, [each.hex for each in of_runs.values_list("id", flat=True)])
    now = dialect.moment(dialect.now())
    for hold in book.holds.values():
        hold.is_overdue = hold.due_at <= now  # a run ends then; a call may go on
    return envelopes.held_by_runs(book, pair)


def read_spender(book: Book, spender_id: int) -> None:
    """Read a spender whose account is locked: whether it may spend, its run, the runs
    that are due, and its limits."""
    wanted, now = dialect.json([spender_id]), dialect.now_parameter()
    accounts = dialect.json(list(book.accounts))
    statements = (
        (sql.READ_SPENDERS, wanted, now),
        (sql.READ_HOLDS_AND_RUNS, "[]", wanted, accounts, now, now),
    )
    spenders, holds = dialect.run_all(statements)
    _take_spenders(book, spenders)
    _take_holds(book, holds)
    budget_rows.read(book.budgets, [spender_id])


def read_budget_windows(book: Book, hold_ids: Iterable[str]) -> None:
    """The windows in which these holds count, where more of them is asked."""
    holds = filter(None, map(book.holds.get, hold_ids))
    pairs = [pair for hold in holds if not hold.is_resolved for pair in hold.budgets]
    budget_rows.read_windows(book.budgets, pairs)


def lock_accounts(book: Book, account_ids: set[int]) -> None:
    """Lock organizations' accounts and their usage accounts, in id order."""
    ids = dialect.json(sorted(account_ids))
    now = dialect.now_parameter()
    _take_accounts(book, dialect.run(sql.LOCK_ACCOUNTS, now, ids, ids))


def lock_system_account(book: Book, kind: AccountKind) -> AccountRow:
    """Lock one of the operator's own accounts; always after organizations'."""
    now = dialect.now_parameter()
    rows = dialect.run(sql.LOCK_SYSTEM_ACCOUNT, now, kind.value)
    _take_accounts(book, rows)
    return book.system_account(kind)


def read_lots(book: Book) -> None:
    """Read the locked accounts' lots in burn order."""
    ids = dialect.json(list(book.accounts))
    _take_lots(book, dialect.run(sql.READ_LOTS, dialect.now_parameter(), ids))


def _take_accounts(book: Book, rows: list[Row]) -> None:
    book.budgets.held_by_runs = held_by_runs
    for row in rows:
        account = book.accounts[row[0]] = AccountRow(*row)
        if account.chain is not None:
            account.chain = dialect.hex_id(account.chain)


def _take_lots(book: Book, rows: list[Row]) -> None:
    for row in rows:
        lot = LotRow(*row)
        book.lots.setdefault(lot.account_id, []).append(lot)


def _take_spenders(book: Book, rows: list[Row]) -> None:
    """Who may spend: nobody who stands above them is closed."""
    closed = {leaf for leaf, *_, may_spend in rows if not may_spend}
    for *spender, run, is_self, _ in rows:
        leaf = spender[0]
        if is_self and leaf not in closed:
            book.open_spenders[leaf] = SpenderRow(*spender)
        if is_self and run is not None:
            book.runs[leaf] = dialect.hex_id(run)


def _take_holds(book: Book, rows: list[Row]) -> None:
    for row in rows:
        hold = HoldRow(dialect.hex_id(row[0]), *row[1:])
        if hold.lease_id is not None:
            hold.lease_id = dialect.hex_id(hold.lease_id)
        hold.is_untried = bool(hold.is_untried)  # SQLite's is a number
        hold.is_envelope = bool(hold.is_envelope)
        if hold.envelope_id is not None:
            hold.envelope_id = dialect.hex_id(hold.envelope_id)
        hold.pins = _listed(hold.pins)
        hold.budgets = _listed(hold.budgets)
        book.holds.setdefault(hold.id, hold)  # what was read first may have changed


def _listed(pairs: Any) -> list[tuple[int, int]]:
    if isinstance(pairs, str):  # SQLite's JSON is text
        pairs = orjson.loads(pairs)
    return [(first, second) for first, second in pairs]


def _is_second_word(book: Book, order: Order[object]) -> bool:
    hold = book.holds.get(order.hold_id)
    is_word = isinstance(order, Settle | Release | Entrust)
    return is_word and hold is not None and hold.is_resolved


def read_said(book: Book, hold_ids: set[str]) -> None:
    """Which prices were said of these holds, which have ended."""
    ids = dialect.json(sorted(hold_ids))
    book.said |= {hold_id: set() for hold_id in hold_ids}
    for hold_id, price in dialect.run(sql.READ_SAID, ids, ids):
        book.said[dialect.hex_id(hold_id)].add(price)
    for hold_id in hold_ids:
        if book.holds[hold_id].state == HoldState.RELEASED:
            book.said[hold_id].add(0)


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
    if book.ended_corrections:
        budget_count.heed_corrections(book)
    all_lots = chain.from_iterable(book.lots.values())
    new = [hold for hold in book.holds.values() if hold.is_new]
    changed = [h for h in book.holds.values() if h.changed and not h.is_new]
    for hold in (*new, *changed):
        # Once it has ended, it is sealed by its act.
        hold.seal = None if hold.is_resolved else facts.seal_of(hold)
    writes: list[tuple[Write, Sequence[Any]]] = [
        (sql.UPDATE_ACCOUNTS, _changes(book.accounts.values(), sql.OF_ACCOUNTS)),
        (sql.UPDATE_LOTS, _changes(all_lots, sql.OF_LOTS)),
        (sql.INSERT_HOLDS, new),
        (sql.INSERT_ATTEMPTS, [row for row in book.attempts if row.is_new]),
        (sql.UPDATE_HOLDS, _changes(changed, sql.OF_HOLDS)),
        (sql.INSERT_TRANSFERS, book.transfers),
        (sql.INSERT_ENTRIES, book.entries),
        (sql.INSERT_BURNS, book.burns),
        (sql.INSERT_USAGE, book.usage),
        (sql.INSERT_COMPONENTS, book.components),
        (sql.INSERT_CORRECTIONS, book.new_corrections),
        (sql.END_CORRECTIONS, book.ended_corrections),
        (sql.INSERT_ACTS, book.acts),
        (sql.UPSERT_ROLLUPS, _rollups(book)),
    ]
    dialect.run_all(
        [each for write, rows in writes for each in write.statements(rows)]
        + budget_rows.writes(book.budgets)
        + learned.writes(book.bounds)
        + [(text,) for text in closing]
    )
    learned.tell(book.bounds)


def _changes(
    rows: Iterable[AccountRow | LotRow | HoldRow], names: Sequence[str]
) -> list[New]:
    return [{name: getattr(row, name) for name in names} for row in rows if row.changed]


def _rollups(book: Book) -> list[dict[str, Any]]:
    """One row for each group of the batch: an upsert may touch a row only once."""
    groups: dict[tuple[Any, ...], dict[str, int]] = {}
    posted = [row for row in book.ended_corrections if row["state"] == "posted"]
    for line in [*map(_line_of_call, book.usage), *map(_line_of_correction, posted)]:
        group = tuple(line[name] for name in sql.ROLLUP_GROUP)
        sums = groups.setdefault(group, dict.fromkeys(sql.ROLLUP_FIGURES, 0))
        for name in sql.ROLLUP_FIGURES:
            sums[name] += line[name]
    return [
        dict(zip(sql.ROLLUP_GROUP, group, strict=True)) | groups[group]
        # Their order, too, is one for all transactions: they lock what they update.
        for group in sorted(groups, key=_order)
    ]


def _line_of_call(row: New) -> New:
    return row | {"requests": 1, "starts_at": dialect.quarter(row["settled_at"])}


def _line_of_correction(row: New) -> New:
    price = row["charged_micros"] + row["absorbed_micros"]
    return row | {"price_micros": price, "starts_at": dialect.quarter(row["ended_at"])}


def _order(group: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(0 if part is None else part for part in group)
