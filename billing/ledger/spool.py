"""The spool: how calls ended while the database was gone, on this machine's disk.

A line is one order (`spool_lines`): amounts and ids, never a prompt. Each process
appends to a file of its own; `replay` gives the lines to the ledger, which answers
those it knows already as repeats, so a line may be given twice and is booked once.

    <pid>-<random>.jsonl           a process writes to it
    <pid>-<random>.jsonl.claimed   replay works on it, or did when it was killed
    refused.jsonl                  what the ledger will never take: for the operator

Who holds a file's lock (flock) has it for himself. Replay renames a file under its
lock, and the appender looks, under the lock, whether the file still has its name: no
line can come into a file that somebody has read.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.db import connection

from billing.ledger import commit as ledger
from billing.ledger.spool_lines import decoded, encoded
from billing.models.hold import HoldState
from billing.values import errors
from billing.values.crashpoints import crashpoint
from billing.values.orders import Resolution, Resolved, Settle

logger = logging.getLogger(__name__)

REPLAY_BATCH = 100  # orders in one transaction
OPEN_SUFFIX, CLAIMED_SUFFIX = ".jsonl", ".jsonl.claimed"
REFUSED = "refused.jsonl"


def folder() -> Path:
    """Where the files are."""
    return Path(settings.VAR_DIR) / "spool"


# --- appending -------------------------------------------------------------------


class _OwnFile:
    """This process's file, while it has one; `lock` is held to use it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.path: Path | None = None
        self.descriptor = -1

    def close(self) -> None:
        if self.path is not None:
            os.close(self.descriptor)
            self.path = None


_own = _OwnFile()


def append(order: Resolution) -> None:
    """Keep the end of a hold for `replay`, while the database is gone; it is on disk,
    name and all, when this returns.

    Raises: OSError when it is not, and then nothing of it is kept.
    """
    line = encoded(order)
    with _own.lock:
        # Replay may have taken the file, even one that has no line yet.
        while _own.path is None or not _lock(_own.descriptor, _own.path):
            _own.close()
            _start_file()
        try:
            _write_durably(_own.descriptor, line)
        except OSError:
            _own.close()  # its end may be torn: nothing may follow
            raise
        fcntl.flock(_own.descriptor, fcntl.LOCK_UN)
    crashpoint("spool.after_append")


def _start_file() -> None:
    """A new file, whose name is on disk too."""
    if not folder().exists():
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_folder(folder().parent)
    path = folder() / f"{os.getpid()}-{secrets.token_hex(8)}{OPEN_SUFFIX}"
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
    _own.descriptor = os.open(path, flags, 0o600)
    _own.path = path
    try:
        _sync_folder(folder())
    except OSError:
        _own.close()
        raise


def _write_durably(descriptor: int, data: bytes) -> None:
    """All of it, or nothing if that can be had. Raises: OSError."""
    size = os.fstat(descriptor).st_size
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def _lock(descriptor: int, path: Path) -> bool:
    """Have the file for ourselves, unless somebody else has it, or it was renamed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _forget() -> None:
    """A forked child has a file of its own: a lock would not part it from us."""
    global _own
    inherited, _own = _own, _OwnFile()
    with suppress(OSError):
        inherited.close()


os.register_at_fork(after_in_child=_forget)


# --- replaying -------------------------------------------------------------------


def replay() -> dict[str, int]:
    """Give what waits to the ledger; how many were `settled` (resolved now),
    `repeats` (resolved before), `refused` for ever, and `left` for next time.

    A file goes when each of its lines has an outcome. When the database is gone, or
    the disk takes nothing, the file stays, and no other is tried without a database.
    """
    counts: Counter[str] = Counter(settled=0, repeats=0, refused=0, left=0)
    is_gone = False
    for path in _files():
        if is_gone:
            counts["left"] += _count(path)
            continue
        try:
            with _claimed(path) as claimed:
                if claimed is None:
                    counts["left"] += _count(path)
                else:
                    _replay_file(claimed, counts)
        except errors.LedgerUnavailable as error:
            is_gone = True
            logger.error("the spool waits, the database is gone: %s", error)
        except OSError:
            counts["left"] += _count(path)
            logger.exception("the spool's file %s stays", path.name)
    if any(counts.values()):
        logger.warning("spool: %s", dict(counts))
    return dict(counts)


def _files() -> list[Path]:
    """Oldest first, as far as their times tell."""
    found: list[tuple[int, Path]] = []
    with suppress(FileNotFoundError):  # nothing was ever spooled
        # Not `glob`, which finds nothing in a folder that it cannot read.
        for path in folder().iterdir():
            is_ours = path.name.endswith((OPEN_SUFFIX, CLAIMED_SUFFIX))
            if is_ours and path.name != REFUSED:
                with suppress(FileNotFoundError):  # replayed by another process
                    found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found)]


def _count(path: Path) -> int:
    for name in (path, path.with_suffix(CLAIMED_SUFFIX)):
        with suppress(FileNotFoundError):
            return name.read_bytes().count(b"\n")
    return 0


@contextmanager
def _claimed(path: Path) -> Iterator[Path | None]:
    """The file, locked and under its new name; None if somebody else has it."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield None
        return
    try:
        if not _lock(descriptor, path):
            yield None
            return
        if path.name.endswith(OPEN_SUFFIX):
            path = path.rename(path.with_suffix(CLAIMED_SUFFIX))
        yield path
    finally:
        os.close(descriptor)  # and the lock with it


def _replay_file(path: Path, counts: Counter[str]) -> None:
    """Raises: LedgerUnavailable, OSError; the file is still there then."""
    *lines, torn = path.read_bytes().split(b"\n")
    if torn:
        # Its process was killed before `append` returned: nobody relied on it.
        logger.warning("%s ends in a torn line; ignored", path.name)
    orders: list[tuple[bytes, Resolution]] = []
    refused = []
    for line in lines:
        try:
            orders.append((line, decoded(line)))
        except ValueError as error:
            refused.append(line)
            logger.error("the spool's file %s has a bad line: %s", path.name, error)
    unanswered = len(orders)
    try:
        outcomes = _outcomes([order for _, order in orders])
        for (line, order), outcome in zip(orders, outcomes, strict=True):
            if _is_refused(order, outcome, counts):
                refused.append(line)
            unanswered -= 1
    except errors.LedgerUnavailable:
        counts["left"] += unanswered + len(refused)
        raise
    if refused:
        _keep_refused(refused)
        counts["refused"] += len(refused)
    path.unlink()


def _outcomes(orders: list[Resolution]) -> Iterator[Resolved | errors.LedgerError]:
    """Raises: LedgerUnavailable, at the first order that is left without an outcome."""
    try:
        for start in range(0, len(orders), REPLAY_BATCH):
            for outcome in ledger.commit(orders[start : start + REPLAY_BATCH]):
                if isinstance(outcome, errors.LedgerUnavailable):
                    raise outcome
                yield outcome
    except errors.LedgerUnavailable:
        if not connection.in_atomic_block:
            connection.close()  # the next attempt makes a new one
        raise


def _is_refused(
    order: Resolution, outcome: Resolved | errors.LedgerError, counts: Counter[str]
) -> bool:
    if not isinstance(outcome, Resolved):
        kind = type(order).__name__.lower()
        logger.error("spooled %s of %s refused: %r", kind, order.hold_id, outcome)
        return True
    counts["repeats" if outcome.repeat else "settled"] += 1
    if isinstance(order, Settle) and outcome.state == HoldState.RELEASED:
        # In doubt for too long, and given back: the operator bears what it cost.
        logger.error("spooled settle of %s came too late", order.hold_id)
    return False


def _keep_refused(lines: list[bytes]) -> None:
    """Raises: OSError."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    descriptor = os.open(folder() / REFUSED, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        start = b"\n" if is_torn else b""
        _write_durably(descriptor, start + b"\n".join(lines) + b"\n")
        _sync_folder(folder())
    finally:
        os.close(descriptor)
