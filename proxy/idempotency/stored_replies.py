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
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from billing.values.crashpoints import crashpoint
from proxy.idempotency.attempts import Reply
from proxy.idempotency.fingerprints import Fingerprint
from proxy.models import StoredReply

logger = logging.getLogger(__name__)

NONCE_BYTES = 12
# Replies that wait to be written, at most; beyond it the oldest are dropped.
QUEUE_BYTES_MAX = 32 * 1024**2
# One commit for what ends within this time: an SDK repeats after 0.4 s at the soonest.
GATHER_SECONDS = 0.1
ROWS_MAX = 64


def window() -> timedelta:
    """How long a reply is kept."""
    return timedelta(seconds=settings.REPLAY_SECONDS)


# --- sealing ---


def seal(reply: Reply, fingerprint: UUID, hold_id: UUID) -> bytes:
    """Headers and body, for this row only: nonce, then ciphertext."""
    nonce = os.urandom(NONCE_BYTES)
    plain = orjson.dumps(dict(reply.headers)) + b"\n" + reply.content
    return nonce + _cipher().encrypt(nonce, plain, fingerprint.bytes + hold_id.bytes)


def unseal(row: StoredReply) -> Reply | None:
    """The row's reply; None when it has none, or SECRET_KEY was another then."""
    if row.status is None:
        return None
    sealed = bytes(row.sealed)
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        plain = _cipher().decrypt(
            nonce, ciphertext, row.fingerprint.bytes + row.hold_id.bytes
        )
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
    fingerprint: Fingerprint
    hold_id: str
    account_id: int
    at: datetime
    written: Callable[[], object]

    def row(self) -> StoredReply:
        fingerprint, hold_id = UUID(self.fingerprint.id), UUID(self.hold_id)
        return StoredReply(
            fingerprint=fingerprint,
            content_digest=UUID(self.fingerprint.content),
            hold_id=hold_id,
            account_id=self.account_id,
            status=self.reply.status,
            sealed=seal(self.reply, fingerprint, hold_id),
            created_at=self.at,
            expires_at=self.at + window(),
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

    def flush(self, seconds: float) -> None:
        """Wait until all is written, for so long at most."""
        with self._changed:
            self._changed.wait_for(
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
                self._write(batch)
            except Exception:  # noqa: BLE001  a lost reply is not a lost call
                logger.exception("%d replies could not be kept", len(batch))
                connection.close()
            _tell(batch)


def _tell(batch: list[Kept]) -> None:
    for kept in batch:
        with suppress(RuntimeError):  # a closed loop: nobody waits any more
            kept.written()


def write(batch: list[Kept]) -> None:
    """Into the table, in one statement; of equal fingerprints the last one stays."""
    crashpoint("reply.keeping")
    rows = {kept.fingerprint.id: kept.row() for kept in batch}
    fields = ["content_digest", "hold_id", "status", "sealed", "expires_at"]
    for is_last in (False, True):
        try:
            StoredReply.objects.bulk_create(
                rows.values(),
                update_conflicts=True,
                unique_fields=["fingerprint"],
                update_fields=fields,
            )
        except (DatabaseError, InterfaceError):
            if is_last:
                raise
            connection.close()  # it may only have been idle for too long
        else:
            return


keeper = Keeper(write)
