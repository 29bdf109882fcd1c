"""The database, asked from threads of its own: the event loop never waits for it.

Calls' holds and settlements do not come this way: `billing.holds.submit` has a thread
and a connection of its own for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, connection

from billing.values.connection import once_more_if_lost
from billing.values.errors import LedgerUnavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="database")


async def read(question: Callable[[], T]) -> T:
    """The answer to a question that changes nothing. It is asked again when the
    thread's connection turns out to be lost.

    Raises: LedgerUnavailable when the database does not answer; else whatever
    `question` raises.
    """
    return await asyncio.get_running_loop().run_in_executor(_threads, _do, question)


async def write(change: Callable[[], T]) -> T:
    """What `change` returns. It must be repeatable, with the same outcome: it is done
    again when the thread's connection turns out to be lost, and nobody knows then
    whether the first time was committed.

    Raises: LedgerUnavailable when the database does not answer; whether the change was
    made is not known then. Else whatever `change` raises.
    """
    return await asyncio.get_running_loop().run_in_executor(_threads, _do, change)


def _do(work: Callable[[], T]) -> T:
    try:
        return once_more_if_lost(work)
    except (DatabaseError, InterfaceError) as error:
        logger.error("the database did not answer: %s", error)
        connection.close()  # the next one starts with a fresh connection
        raise LedgerUnavailable(str(error)) from error
