"""The attempts that run in this process now, for repeats of them to join."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from billing.values.ids import new_id
from billing.values.orders import AttemptMark
from proxy.http import refusals
from proxy.http import reply as replies
from proxy.http.errors import GatewayError
from proxy.idempotency.fingerprints import Fingerprint, Mark
from proxy.process.heard import heard

# An answer that goes out so shortly before its client's timeout may come too late; on
# a busy machine sooner (`heard.late_seconds`), but never before half its patience.
MARGIN_SECONDS, MARGIN_SHARE, MARGIN_SHARE_MAX = 1.0, 0.3, 0.5


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
    """One attempt at a request; `hold_id` is known before there is a hold.

    It watches its client (`http.handler.Watcher`).
    """

    def __init__(self, mark: Mark, fingerprint: Fingerprint, *, arrived: float) -> None:
        self.mark, self.fingerprint = mark, fingerprint
        self.hold_id = new_id()
        self.arrived = arrived  # monotonic; `began` when all of it had come
        self.began = time.monotonic()
        self.besides: frozenset[str] = frozenset()  # attempts it may be made beside
        self.joined = ""  # the attempt whose answer it waits for
        self.is_lost = False  # its client waits no more, and has had no answer
        self.ends_later = False  # whoever reads its stream ends it
        self.loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Reply | None] = self.loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        if mark.timeout_seconds is not None:
            self._timer = self.loop.call_later(mark.timeout_seconds, self.left)

    @property
    def order_mark(self) -> AttemptMark:
        """What the ledger has to know of it."""
        return AttemptMark(
            fingerprint=self.fingerprint.id,
            content=self.fingerprint.content,
            is_keyed=bool(self.mark.key),
            retry_count=self.mark.retry_count,
            arrived=self.arrived,
            window_seconds=settings.REPLAY_SECONDS,
            besides=self.besides,
        )

    @property
    def seconds_left(self) -> float:
        """How long it may still wait for another attempt."""
        return self.mark.wait_seconds - (time.monotonic() - self.began)

    # --- its client ---

    def left(self) -> None:
        """Its client is gone, or waits no more: a retry may have its answer."""
        self._stop_timer()
        self.is_lost = True
        self._say_lost()

    def answered(self, response: HttpResponseBase) -> HttpResponseBase:
        """Its answer goes out, unless nobody could tell whether it came in time. Then
        its client is told to ask again, and gets it for sure."""
        self._stop_timer()
        patience = self.mark.timeout_seconds
        if patience is None or self.mark.key:
            return response
        margin = min(MARGIN_SECONDS, patience * MARGIN_SHARE) + heard.late_seconds
        margin = min(margin, patience * MARGIN_SHARE_MAX)
        if time.monotonic() - self.began < patience - margin:
            return response
        self._say_lost()
        is_last_word = response.get("x-should-retry") == "false"
        if response.status_code == 200 or is_last_word:
            return replies.error(refusals.request_in_progress())
        return response

    def join(self, hold_id: str) -> None:
        """From now on it waits for that attempt's answer."""
        self.joined = hold_id
        if self.is_lost:
            self._say_lost()

    def give_back(self) -> None:
        """It was put off: a later retry may have what it waited for."""
        if self.joined:
            self._say_lost()

    def _say_lost(self) -> None:
        if self.joined:
            heard.lost(self.joined, joined_by=self.hold_id)
        else:
            heard.lost(self.hold_id)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- its answer ---

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
    """By their holds' ids."""

    def __init__(self) -> None:
        self._running: dict[str, Attempt] = {}

    @contextmanager
    def running(self, attempt: Attempt) -> Iterator[None]:
        """One more; it has to be ended inside, unless it fails."""
        self._running[attempt.hold_id] = attempt
        heard.expect_questions()
        try:
            yield
        except BaseException as error:  # noqa: BLE001  it is raised again
            attempt.end(None)
            is_last_word = (
                isinstance(error, GatewayError) and error.should_retry is False
            )
            if not is_last_word:
                attempt.give_back()
            raise

    def find(self, hold_id: str) -> Attempt | None:
        return self._running.get(hold_id)

    def forget(self, attempt: Attempt) -> None:
        self._running.pop(attempt.hold_id, None)


attempts = Attempts()
