"""A transaction that says in the ledger's own words that something is locked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, transaction

from billing.ledger import dialect
from billing.values import errors


@contextmanager
def atomic() -> Iterator[None]:
    """Django's `atomic`, in the caller's transaction or one of its own.

    Raises: AccountLocked where somebody keeps locked what is needed in it for longer
    than the connection waits; nothing was written then.
    """
    try:
        with transaction.atomic():
            yield
    except OperationalError as error:
        if not (dialect.is_locked(error) or _is_busy(error)):
            raise
        raise errors.AccountLocked(str(error).strip()) from error


def _is_busy(error: OperationalError) -> bool:
    """SQLite: somebody else writes, and that means the whole file."""
    cause = error.__cause__
    code = getattr(cause, "sqlite_errorcode", None)
    return isinstance(cause, sqlite3.OperationalError) and code == sqlite3.SQLITE_BUSY
