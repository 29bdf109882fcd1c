"""What this process refused, written down now and then.

A refusal costs a look into two dictionaries; a call that is not refused notes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from billing.values import clock
from portal.tenants import refused
from portal.tenants.refused import Told
from proxy.process.noting import Notes

# Between two times that they are written: counts, and keys with their latest.
COUNTS_MAX, KEYS_MAX = 1000, 100

_Counts = dict[tuple[int, datetime, str], int]


class Refusals(Notes):
    about = "what was refused"
    flush_seconds = 5

    def __init__(self) -> None:
        super().__init__()
        self._counts: _Counts = {}
        self._latest: dict[int, deque[Told]] = {}

    def note(
        self,
        spender_id: int,
        request_id: str,
        *,
        code: str,
        status: int,
        message: str,
        operation: str = "",
        model: str = "",
    ) -> None:
        """A request of this key was answered so; `request_id` is that of its reply."""
        now = clock.now()
        place = spender_id, refused.quarter_of(now), code
        if place in self._counts or len(self._counts) < COUNTS_MAX:
            self._counts[place] = self._counts.get(place, 0) + 1
        latest = self._latest.get(spender_id)
        if latest is None:
            if len(self._latest) >= KEYS_MAX:
                return
            latest = self._latest[spender_id] = deque(maxlen=refused.LATEST)
        id_ = UUID(request_id.removeprefix("req_"))
        text = message.replace("\0", "")[: refused.MESSAGE_MAX]
        latest.append(
            Told(id_, spender_id, now, code, status, text, operation, model[:200])
        )

    def taken(self) -> Callable[[], None] | None:
        counts, latest = self._counts, self._latest
        self._counts, self._latest = {}, {}
        if not counts and not latest:
            return None
        told = [each for of_key in latest.values() for each in of_key]
        return lambda: refused.note(counts, told)


refusals_seen = Refusals()
