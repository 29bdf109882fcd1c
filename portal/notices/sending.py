"""Sending what is due: many requests at once, each with a deadline.

The thread that is here asks the database; a loop in another thread holds the requests.
So one receiver that takes its time keeps only its own few places busy.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.fernet import InvalidToken

from billing.values import clock
from portal.models import Delivery, EndpointKind
from portal.notices import chats, deliveries, reach, signing
from portal.notices.deliveries import Outcome
from portal.outbound import FetchError, Guard
from portal.signing_in import sealing

AT_ONCE = 256
# Claiming goes on for so long; then what runs is waited for, and a new run begins.
RUN_SECONDS = 60.0
LOOK_SECONDS = 0.2
ANSWER_BYTES_MAX = 2000
TOGETHER_MAX = 100  # outcomes that are written in one transaction

Ended = queue.Queue[tuple[Delivery, Outcome]]
_claiming = threading.Lock()


def send_due(guard: Guard | None = None) -> int:
    """Send until nothing is due, at most for a minute or so; how many attempts.

    One run of a process claims at a time; further ones have nothing to do.
    """
    if not _claiming.acquire(blocking=False):
        return 0
    ended: Ended = queue.Queue()
    running = total = 0
    is_claiming = True
    try:
        with _loop() as loop:
            until = time.monotonic() + RUN_SECONDS
            while is_claiming or running:
                if is_claiming and running < AT_ONCE:
                    found = deliveries.claim()
                    for delivery in found:
                        work = _send(delivery, guard or reach.guard(), ended)
                        asyncio.run_coroutine_threadsafe(work, loop)
                    running += len(found)
                    is_idle = not found and not running
                    is_claiming = not is_idle and time.monotonic() < until
                    if not is_claiming:
                        _claiming.release()
                done = _collect(ended) if running else []
                if done:
                    deliveries.record(done)
                running, total = running - len(done), total + len(done)
    finally:
        if is_claiming:
            _claiming.release()
    return total


def send_once(delivery: Delivery, guard: Guard | None = None) -> Outcome:
    """One attempt at once, for somebody who waits. Blocks for WEBHOOK_SECONDS_MAX at
    most; writes nothing."""
    return asyncio.run(attempt(delivery, guard or reach.guard()))


def _collect(ended: Ended) -> list[tuple[Delivery, Outcome]]:
    """What has ended, or nothing after a moment."""
    try:
        found = [ended.get(timeout=LOOK_SECONDS)]
    except queue.Empty:
        return []
    while len(found) < TOGETHER_MAX and not ended.empty():
        found.append(ended.get_nowait())
    return found


async def _send(delivery: Delivery, guard: Guard, ended: Ended) -> None:
    ended.put((delivery, await attempt(delivery, guard)))


async def attempt(delivery: Delivery, guard: Guard) -> Outcome:
    """One request. Whatever goes wrong is an outcome."""
    began = time.monotonic()
    try:
        status, error, excerpt, retry_after = await _post(delivery, guard)
    except FetchError as failure:
        status, error, excerpt, retry_after = None, failure.reason, "", ""
    except InvalidToken:
        status, error, excerpt, retry_after = None, "secret_unreadable", "", ""
    except Exception as failure:  # noqa: BLE001  the row must not stay claimed
        status, error, excerpt, retry_after = None, type(failure).__name__, "", ""
    took = round((time.monotonic() - began) * 1000)
    return Outcome(status, error, took, excerpt, retry_after)


async def _post(delivery: Delivery, guard: Guard) -> tuple[int, str, str, str]:
    """Raises: FetchError, InvalidToken."""
    endpoint, event = delivery.endpoint, delivery.event
    if endpoint.kind == EndpointKind.WEBHOOK:
        url, body = endpoint.url, signing.body_of(event)
        headers = signing.headers_of(endpoint, event.public_id, body, clock.now())
    else:
        url, body = sealing.unseal(endpoint.sealed_secret), chats.body_of(delivery)
        headers = {"content-type": "application/json"}
    answer = await guard.post(url, body, headers, bytes_max=ANSWER_BYTES_MAX)
    text = answer.beginning.decode("utf-8", "replace").replace("\0", "")
    return answer.status, "", text, answer.retry_after


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="notices", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
