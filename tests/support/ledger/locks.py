"""Keeping the ledger busy: a transaction in a thread of its own, ended when asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction

from billing.models import Account

SECONDS_MAX = 15


@contextmanager
def ledger_locked(account_id: int) -> Iterator[threading.Event]:
    """Nothing is written to that account until the event is set, or on leaving.

    On SQLite the transaction alone keeps every writer out.
    """
    is_locked, release = threading.Event(), threading.Event()

    def keep() -> None:
        with transaction.atomic():
            Account.objects.select_for_update().get(id=account_id)
            is_locked.set()
            release.wait(SECONDS_MAX)
        connections.close_all()

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        assert is_locked.wait(SECONDS_MAX)
        yield release
    finally:
        release.set()
        thread.join()


def cut_who_waits() -> None:
    """On PostgreSQL: end the sessions that wait for a lock."""
    connection = connections["default"]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
    connections.close_all()
