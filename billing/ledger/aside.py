"""Orders whose account somebody else keeps locked wait here, and nobody waits for them.

A forgotten session, an operator's open transaction or a frozen gateway may keep one
organization's row for a minute. The writer sets its orders aside: a thread of their
own, with a connection of its own, tries them until they can be done or their time is
up.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter

from django.db import connection

from billing.ledger.waiting import Waiting, committed, deliver
from billing.values import errors
from billing.values.orders import Withdraw

# Orders tried in one go, and how many of them one account may have: a crowd of one
# organization's does not stand before another's.
ROUND_MAX = 256
ROUND_MAX_OF_ONE = 32
# How long a round that could do nothing queues for one account's lock: in the lock's
# own queue an account that is merely busy has its turn.
QUEUE_MS = 150


class Aside:
    """The one thread of this process for them; it runs while there are any."""

    def __init__(self) -> None:
        self._arrivals: queue.SimpleQueue[Waiting] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting: Counter[int] = Counter()  # orders here, by account
        self._rounds = 0
        self._thread: threading.Thread | None = None

    def has(self, account_id: int) -> bool:
        """Whether orders of that account wait here: those that come later belong
        behind them."""
        return account_id in self._waiting

    def add(self, waiting: Waiting) -> None:
        with self._lock:
            self._waiting[waiting.order.account_id] += 1
        self._arrivals.put(waiting)
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="ledger-aside", daemon=True
            )
            self._thread.start()

    def _run(self) -> None:
        waiting: list[Waiting] = []
        while True:
            if not waiting:
                connection.close()  # the pool has it while nobody waits
                waiting.append(self._arrivals.get())
            while not self._arrivals.empty():
                waiting.append(self._arrivals.get())
            waiting = self._round(waiting)

    def _round(self, waiting: list[Waiting]) -> list[Waiting]:
        """Try all once; those who still wait, in the order of their next turn."""
        now = time.monotonic()
        late = [each for each in waiting if each.until <= now]
        waiting = [each for each in waiting if each.until > now]
        locked = errors.AccountLocked("the account is locked for too long")
        self._end([(each, locked) for each in late])
        batch, rest = _chosen(waiting)
        still = self._try(batch, lock_ms=0)
        if still and len(still) == len(batch):
            self._rounds += 1
            accounts = sorted({each.order.account_id for each in still})
            chosen = accounts[self._rounds % len(accounts)]
            mine = [each for each in still if each.order.account_id == chosen]
            others = [each for each in still if each.order.account_id != chosen]
            still = others + self._try(mine, lock_ms=QUEUE_MS)
        # A commit looks at so many of them only: next time others come first.
        turn = len(still) // 3
        return rest + still[turn:] + still[:turn]

    def _try(self, batch: list[Waiting], *, lock_ms: int) -> list[Waiting]:
        """Those of the batch that are still locked out; the others have an outcome."""
        if not batch:
            return []
        batch.sort(key=lambda each: isinstance(each.order, Withdraw))  # after its Place
        tried = list(zip(batch, committed(batch, lock_ms=lock_ms), strict=True))
        self._end([each for each in tried if not _is_locked(each[1])])
        return [waiting for waiting, outcome in tried if _is_locked(outcome)]

    def _end(self, answered: list[tuple[Waiting, object]]) -> None:
        with self._lock:
            for waiting, _ in answered:
                account_id = waiting.order.account_id
                self._waiting[account_id] -= 1
                if not self._waiting[account_id]:
                    del self._waiting[account_id]
        deliver(answered)


def _chosen(waiting: list[Waiting]) -> tuple[list[Waiting], list[Waiting]]:
    """Those that are tried now, and the rest."""
    chosen: list[Waiting] = []
    rest: list[Waiting] = []
    counts: Counter[int] = Counter()
    for each in waiting:
        account_id = each.order.account_id
        is_full = len(chosen) >= ROUND_MAX or counts[account_id] >= ROUND_MAX_OF_ONE
        (rest if is_full else chosen).append(each)
        counts[account_id] += not is_full
    return chosen, rest


def _is_locked(outcome: object) -> bool:
    return isinstance(outcome, errors.AccountLocked)
