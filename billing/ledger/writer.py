"""Group commit: calls in flight at the same moment share one transaction.

A process has one writer, a thread with a database connection of its own. It takes
whatever orders have queued since its last commit, commits them together, and wakes
their callers. Durability costs one fsync per batch instead of one per call; nothing
is acknowledged before it is on disk. What somebody else keeps locked is set aside
(`ledger/aside.py`): no organization waits for another's.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time

from billing.ledger import commit as ledger
from billing.ledger.aside import Aside
from billing.ledger.waiting import Waiting, committed, deliver
from billing.values import errors
from billing.values.orders import Order, R

# Orders in one transaction at most: bounds what a caller waits for its neighbours.
BATCH_MAX = 256

# While several calls run, the writer waits this long for one more order, as long as
# they keep coming: a batch costs about as much as ten orders in one, and the event loop
# and this thread, which share the interpreter, take turns instead of fighting for it.
# With 128 callers 12 ms make a tenth more calls a second than 4 ms, and 30 no more.
LINGER_SECONDS = 0.0005
LINGER_SECONDS_MAX = 0.012
# The size of the last batch from which on others are expected. Below it nobody waits:
# a lone caller would only pay for company that does not come.
COMPANY = 3

# Seconds before a thread that waits for the interpreter lock asks for it. Python's
# 5 ms would make the writer, which gives the lock up at every statement, wait 5 ms
# at every statement behind a busy event loop.
SWITCH_INTERVAL_SECONDS = 0.0005


# How long a transaction waits for a lock that somebody else has, in milliseconds. Then
# whoever needs it is set aside.
LOCK_MS = 100


class Writer:
    """The one thread of this process that writes to the ledger."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Waiting] = queue.SimpleQueue()
        self._aside = Aside()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._last_batch = 0

    async def submit(self, order: Order[R]) -> R:
        """Carry out one order, in one transaction with what other calls of this
        process submit at the same moment; its outcome, once that is durable.

        Raises: the refusal; LedgerError when the order makes no sense;
        LedgerUnavailable when the database does not answer within 20 seconds: it is
        not known then whether the order was carried out, and it may be given again.
        """
        if self._thread is None:
            self._start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R | errors.LedgerError] = loop.create_future()
        self._queue.put(Waiting.now(order, future))
        outcome = await future
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
                self._thread = threading.Thread(
                    target=self._run, name="ledger-writer", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        while True:
            batch = []
            for waiting in self._next_batch():
                if self._aside.has(waiting.order.account_id):
                    self._aside.add(waiting)
                else:
                    batch.append(waiting)
            if not batch:
                continue
            answered = []
            outcomes = committed(batch, lock_ms=LOCK_MS)
            for waiting, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, errors.AccountLocked):
                    self._aside.add(waiting)
                else:
                    answered.append((waiting, outcome))
            deliver(answered)

    def _next_batch(self) -> list[Waiting]:
        batch = [self._queue.get()]
        if self._last_batch >= COMPANY:
            self._linger()
        while len(batch) < BATCH_MAX:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
        self._last_batch = len(batch)
        # What a settlement frees, a hold of the same batch can have.
        batch.sort(key=lambda waiting: ledger.needs_credits(waiting.order))
        return batch

    def _linger(self) -> None:
        """Wait while more orders come, which is while the event loop is busy."""
        until = time.monotonic() + LINGER_SECONDS_MAX
        seen = -1
        while self._queue.qsize() != seen and time.monotonic() < until:
            seen = self._queue.qsize()
            time.sleep(LINGER_SECONDS)


writer = Writer()
