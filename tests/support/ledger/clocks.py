"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

# Long ago, so that rows which other tests have committed lie in the future: a sweep
# or an expiry at this time of day finds nothing of theirs.
START = datetime(2020, 2, 28, 22, 30, tzinfo=UTC)


class Clock:
    """Takes the place of `billing.values.clock.source`."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **step: float) -> datetime:
        """Move on by a timedelta's arguments; the new time."""
        self.moment += timedelta(**step)
        return self.moment
