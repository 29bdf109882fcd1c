"""Replies kept for repeats: sealed, and written in the background."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Q

from billing import purging
from billing.values import clock
from billing.values.crashpoints import crashpoint
from portal.models import Organization
from proxy.idempotency.attempts import Reply
from proxy.models import StoredReply
from proxy.process.heard import heard

logger = logging.getLogger(__name__)

NONCE_BYTES = 12
# Replies that wait to be written, at most; beyond it the oldest are dropped.
QUEUE_BYTES_MAX = 32 * 1024**2
# One commit for what ends within this time: an SDK repeats after 0.4 s at the soonest.
GATHER_SECONDS = 0.1
ROWS_MAX = 64
# For so long, and so often, a reply is tried to be written.
TRIED_SECONDS, PAUSE_SECONDS = 60, 0.2
FLUSH_SECONDS = 2


def window() -> timedelta:
    """How long a reply is kept."""
    return timedelta(seconds=settings.REPLAY_SECONDS)


# --- sealing ---


def seal(reply: Reply, hold_id: UUID) -> bytes:
    """Headers and body, for this row only: nonce, then ciphertext."""
    nonce = os.urandom(NONCE_BYTES)
    plain = orjson.dumps(dict(reply.headers)) + b"\n" + reply.content
    return nonce + _cipher().encrypt(nonce, plain, hold_id.bytes)


def unseal(row: StoredReply) -> Reply | None:
    """The row's reply; None when SECRET_KEY was another then."""
    sealed = bytes(row.sealed)
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        plain = _cipher().decrypt(nonce, ciphertext, row.hold_id.bytes)
    except (InvalidTag, ValueError):
        return None
    headers, _, content = plain.partition(b"\n")
    return Reply(row.status, orjson.loads(headers), content)


@cache
def _cipher() -> AESGCM:
    derived = HKDF(SHA256(), length=32, salt=None, info=b"tollgate stored replies 1")
    return AESGCM(derived.derive(settings.SECRET_KEY.encode()))


# --- writing ---


@dataclass(frozen=True, slots=True)
class Kept:
    """A reply on its way into the table; `written` is called when it is there, or
    never will be."""

    reply: Reply
    hold_id: str
    account_id: int
    written: Callable[[], object]

    def row(self) -> StoredReply:
        hold_id = UUID(self.hold_id)
        return StoredReply(
            hold_id=hold_id,
            account_id=self.account_id,
            status=self.reply.status,
            sealed=seal(self.reply, hold_id),
            expires_at=clock.now() + window(),
        )


class Keeper:
    """The one thread of a process that writes replies; no call waits for it.

    Of what waits to be written, more than `bytes_max` is not kept in memory.
    """

    def __init__(
        self,
        write: Callable[[list[Kept]], object],
        *,
        bytes_max: int = QUEUE_BYTES_MAX,
    ) -> None:
        self._write = write
        self._bytes_max = bytes_max
        self._waiting: deque[Kept] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_writing = False

    def put(self, kept: Kept) -> None:
        dropped: list[Kept] = []
        with self._changed:
            self._waiting.append(kept)
            self._waiting_bytes += len(kept.reply.content)
            while self._waiting_bytes > self._bytes_max:
                dropped.append(self._take())
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="reply-keeper", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()
        _tell(dropped)

    def flush(self, seconds: float) -> bool:
        """Wait until all is written, for so long at most; whether it is."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._waiting and not self._is_writing, seconds
            )

    def _take(self) -> Kept:
        kept = self._waiting.popleft()
        self._waiting_bytes -= len(kept.reply.content)
        return kept

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting))
                self._is_writing = True
            time.sleep(GATHER_SECONDS)
            with self._changed:
                count = min(len(self._waiting), ROWS_MAX)
                batch = [self._take() for _ in range(count)]
            try:
                self._write_at_last(batch)
            except Exception:  # noqa: BLE001  a lost reply is not a lost call
                logger.exception("%d replies could not be kept", len(batch))
                connection.close()
            _tell(batch)

    def _write_at_last(self, batch: list[Kept]) -> None:
        """Also when the database was away; what comes meanwhile waits."""
        until = time.monotonic() + TRIED_SECONDS
        while True:
            try:
                self._write(batch)
            except (DatabaseError, InterfaceError):
                connection.close()
                if time.monotonic() > until:
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                return


def _tell(batch: list[Kept]) -> None:
    for kept in batch:
        with suppress(RuntimeError):  # a closed loop: nobody waits any more
            kept.written()


def write(batch: list[Kept]) -> None:
    """Into the table, in one statement."""
    crashpoint("reply.keeping")
    rows = [kept.row() for kept in batch]
    # One that is there already was written a moment ago, and nobody heard.
    StoredReply.objects.bulk_create(rows, ignore_conflicts=True)


keeper = Keeper(write)
# Who is told that this process has no more to say finds the replies that it had.
heard.first.append(lambda: keeper.flush(FLUSH_SECONDS))


# --- reading and forgetting ---


def find(hold_id: str) -> Reply | None:
    """What that call answered, if it is kept and can be read."""
    row = StoredReply.objects.filter(hold_id=UUID(hold_id)).first()
    return unseal(row) if row else None


def find_own(hold_id: str, account_id: int) -> Reply | None:
    """The same of a call of this account, while it may still be given out."""
    rows = StoredReply.objects.filter(hold_id=UUID(hold_id), account_id=account_id)
    row = rows.filter(expires_at__gt=clock.now()).first()
    return unseal(row) if row else None


def purge(*, batch_rows: int = purging.ROWS) -> int:
    """Delete what is past its time, and what its organization wants kept no more; how
    many."""
    private = Organization.objects.filter(stores_replies=False).values("account_id")
    unwanted = StoredReply.objects.filter(
        Q(expires_at__lte=clock.now()) | Q(account_id__in=private)
    )
    return purging.purge(unwanted, batch_rows=batch_rows)
