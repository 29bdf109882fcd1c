"""The one clock of this process; tests move it, nothing else reads the time here.

What the ledger stamps and decides under lock goes by the database's clock, where it
has one (`ledger.dialect.now_parameter`): machines disagree about the time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime


def system() -> datetime:
    """This machine's own clock."""
    return datetime.now(UTC)


# The hook: while it is another, the database's clock is not asked either.
source: Callable[[], datetime] = system


def now() -> datetime:
    """The present instant, aware, UTC."""
    return source()


def is_moved() -> bool:
    """Whether a test says what time it is."""
    return source is not system
