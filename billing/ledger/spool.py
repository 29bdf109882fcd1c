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
from billing.values.patience import patience

logger = logging.getLogger(__name__)

REPLAY_BATCH = 100  # orders in one transaction
COMMIT_SECONDS = 20  # for each of them
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
    `repeats` (resolved before), `refused` for ever, and `left` for next time: while
    any are, nobody knows yet how every call ended that this machine can tell of.

    A file goes when each of its lines has an outcome. When the database is gone, an
    account is locked, or the disk does not read or write, the file stays, and the
    others are tried all the same; but none without a database.
    """
    counts: Counter[str] = Counter(settled=0, repeats=0, refused=0, left=0)
    is_gone = False
    for path in _files(counts):
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
        except Exception:  # noqa: BLE001  one file must not keep the others
            counts["left"] += max(1, _count(path))
            logger.exception("the spool's file %s stays", path.name)
    if any(counts.values()):
        logger.warning("spool: %s", dict(counts))
    return dict(counts)


def _files(counts: Counter[str]) -> list[Path]:
    """Oldest first, as far as their times tell. A folder that cannot be listed counts
    as one line that is left."""
    found: list[tuple[int, Path]] = []
    try:
        names = os.listdir(folder())
    except FileNotFoundError:  # nothing was ever spooled
        return []
    except OSError:
        counts["left"] += 1
        logger.exception("the spool cannot be listed")
        return []
    for name in names:
        path, age = folder() / name, 0
        if name.endswith((OPEN_SUFFIX, CLAIMED_SUFFIX)) and name != REFUSED:
            try:
                age = path.stat().st_mtime_ns
            except FileNotFoundError:  # replayed by another process
                continue
            except OSError:
                pass  # to be opened, and to fail there
            found.append((age, path))
    return [path for _, path in sorted(found)]


def _count(path: Path) -> int:
    """The lines of a file that is left, one at least unless it is gone."""
    for name in (path, path.with_suffix(CLAIMED_SUFFIX)):
        try:
            return max(1, name.read_bytes().count(b"\n"))
        except FileNotFoundError:
            continue
        except OSError:
            return 1
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
    locked = 0
    try:
        outcomes = _outcomes([order for _, order in orders])
        for (line, order), outcome in zip(orders, outcomes, strict=True):
            unanswered -= 1
            if isinstance(outcome, errors.AccountLocked):
                locked += 1
            elif _is_refused(order, outcome, counts):
                refused.append(line)
    except errors.LedgerUnavailable:
        counts["left"] += unanswered + locked + len(refused)
        raise
    if locked:
        logger.warning("%d lines of %s wait for a locked account", locked, path.name)
        counts["left"] += locked + len(refused)
        return
    if refused:
        _keep_refused(refused)
        counts["refused"] += len(refused)
    path.unlink()


def _outcomes(orders: list[Resolution]) -> Iterator[Resolved | errors.LedgerError]:
    """An order whose account is locked has that as its outcome: the others go on.

    Raises: LedgerUnavailable, at the first order that is left without an outcome.
    """
    try:
        for start in range(0, len(orders), REPLAY_BATCH):
            with patience(COMMIT_SECONDS):
                outcomes = ledger.commit(orders[start : start + REPLAY_BATCH])
            for outcome in outcomes:
                if isinstance(outcome, errors.AccountLocked):
                    yield outcome
                elif isinstance(outcome, errors.LedgerUnavailable):
                    raise outcome
                else:
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
