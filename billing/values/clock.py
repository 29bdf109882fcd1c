"""The one clock of the ledger; tests move it, nothing else reads the time there."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present instant, aware, UTC."""
    return datetime.now(UTC)


def start_of_day() -> datetime:
    """Today's midnight, UTC."""
    return now().replace(hour=0, minute=0, second=0, microsecond=0)
