"""The attempts that run in this process now, for repeats of them to join."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpResponse

from billing.values.ids import new_id
from proxy.idempotency.fingerprints import Fingerprint

# A claim without a hold is another's after so long; its owner gives up at half of it.
CLAIM_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, to be given again."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    content: bytes

    @classmethod
    def of(cls, response: HttpResponse) -> Reply:
        headers = {name.lower(): value for name, value in response.items()}
        return cls(response.status_code, headers, response.content)

    def again(self) -> HttpResponse:
        """The answer for a repeat. Its `x-credits-charged` is what the repeat cost:
        nothing; the call's own charge is in the body's `usage`."""
        headers = {
            name: value
            for name, value in self.headers.items()
            if not name.startswith("x-credits-")
        }
        headers |= {"x-idempotent-replay": "true", "x-credits-charged": "0"}
        return HttpResponse(self.content, status=self.status, headers=headers)


class Attempt:
    """One attempt at a request; `hold_id` is known before there is a hold."""

    def __init__(self, fingerprint: Fingerprint) -> None:
        self.fingerprint = fingerprint
        self.hold_id = new_id()
        self.state = ""  # of its hold: "" before there is one
        self.claimed_at: float | None = None  # monotonic; of an Idempotency-Key
        self.ends_later = False  # whoever reads its stream ends it
        self.retries_joined = 0  # the highest retry count that was sent here
        self.loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Reply | None] = self.loop.create_future()

    @property
    def has_lapsed(self) -> bool:
        """Whether it took so long to its hold that its claim may soon be another's."""
        if self.claimed_at is None:
            return False
        return time.monotonic() - self.claimed_at > CLAIM_SECONDS / 2

    def end(self, reply: Reply | None, *, stays: bool = False) -> None:
        """Wake whoever joined; None when they have to ask the ledger. With `stays` it
        answers on until `attempts.forget`."""
        if not self._ended.done():
            self._ended.set_result(reply)
        if not stays:
            attempts.forget(self)

    async def wait(self, seconds: float) -> Reply | None:
        """What it ended with. Raises: TimeoutError."""
        # Shielded: who waits for it may give up, it does not.
        return await asyncio.wait_for(asyncio.shield(self._ended), seconds)


class Attempts:
    """By fingerprint, oldest first; a user may well ask the same twice at once."""

    def __init__(self) -> None:
        self._running: dict[str, list[Attempt]] = {}

    def begin(self, fingerprint: Fingerprint) -> Attempt:
        attempt = Attempt(fingerprint)
        self._running.setdefault(fingerprint.id, []).append(attempt)
        return attempt

    def find(self, fingerprint: Fingerprint, retry_count: int) -> Attempt | None:
        """The attempt that this one repeats: the latest that no other repeat with
        this count has joined, so that two equal requests get two answers."""
        running = self._running.get(fingerprint.id)
        if not running:
            return None
        free = [each for each in running if each.retries_joined < retry_count]
        found = (free or running)[-1]
        found.retries_joined = max(found.retries_joined, retry_count)
        return found

    def forget(self, attempt: Attempt) -> None:
        running = self._running.get(attempt.fingerprint.id, [])
        if attempt in running:
            running.remove(attempt)
        if not running:
            self._running.pop(attempt.fingerprint.id, None)


attempts = Attempts()
