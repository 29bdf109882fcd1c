"""A connection that was lost while nobody used it is noticed by the next question.

A database that was restarted, or a firewall that forgot an idle line, would cost each
thread one refused call, although the database answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, connection

from billing.values import errors

T = TypeVar("T")


def once_more_if_lost(work: Callable[[], T]) -> T:
    """What `work` returns; tried again if it failed because this thread's connection,
    which was open before, is lost. Only for what may be done twice: nobody knows
    whether the first attempt was committed.

    Raises: what `work` raises.
    """
    was_open = connection.connection is not None and not connection.in_atomic_block
    try:
        return work()
    except (errors.LedgerUnavailable, DatabaseError, InterfaceError):
        if not was_open or connection.is_usable():
            raise
        connection.close()
    return work()
