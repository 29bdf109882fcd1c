"""One charge for a request that a client sends again, because it lost the answer.

    the first attempt        its hold carries the fingerprint; its reply is kept
    a repeat, still running  waits for the first one's answer, else 409
    a repeat, settled        the same answer again, charged nothing, else 409
    a repeat, not charged    is a call like any other

A repeat is what an SDK calls one (`x-stainless-retry-count`), or what carries the
same Idempotency-Key. Nothing else pays for any of this. An SDK's first attempts look
for nothing: to ask the same twice is no repeat.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from billing.values import clock
from billing.values.errors import LedgerUnavailable
from portal.tenants.errors import KeyRefused
from portal.tenants.keys import Identity
from proxy.http import refusals
from proxy.http import reply as replies
from proxy.idempotency import earlier
from proxy.idempotency.attempts import Attempt, Reply, attempts
from proxy.idempotency.fingerprints import Fingerprint, Mark
from proxy.idempotency.stored_replies import Kept, keeper
from proxy.process.caches import known_keys
from proxy.process.database import read, write

purge = earlier.purge


@dataclass(slots=True)
class Turn:
    """One request's turn: a repeat has its answer already; else the call is made, as
    this attempt, and its answer put here."""

    attempt: Attempt | None = None
    answer: HttpResponseBase | None = None


@asynccontextmanager
async def once(
    mark: Mark, fingerprint: Fingerprint, identity: Identity, presented: str
) -> AsyncIterator[Turn]:
    """The turn of a request that may come again; the call is made inside, if at all.

    Raises: GatewayError (401, 409, 422), LedgerUnavailable.
    """
    if reply := await _joined(mark, fingerprint):
        yield Turn(answer=await _hand_out(reply, presented))
        return
    # Nothing is awaited between the last look and this line: of two at once, one.
    attempt = attempts.begin(fingerprint)
    turn = Turn(attempt)
    try:
        if reply := await _earlier(mark, attempt, identity):
            turn.answer = await _hand_out(reply, presented)
        yield turn
    except Exception as error:  # noqa: BLE001  it is raised again
        if attempt.claimed_at and not attempt.state:
            await _let_go(attempt)
        refused = refusals.translate(error)
        attempt.end(Reply.of(replies.error(refused)) if refused else None)
        raise
    except BaseException:  # noqa: BLE001  cancelled: those who joined ask the ledger
        attempt.end(None)
        raise
    if turn.answer is not None:
        _end(attempt, turn.answer, identity)


async def _joined(mark: Mark, fingerprint: Fingerprint) -> Reply | None:
    """The answer of an attempt that runs in this process; None if none does, or none
    that can be given twice.

    Raises: GatewayError (409, 422).
    """
    until = time.monotonic() + mark.wait_seconds
    while mark.may_repeat:
        running = attempts.find(fingerprint, mark.retry_count)
        if running is None:
            return None
        if running.fingerprint.content != fingerprint.content:
            raise refusals.idempotency_mismatch()
        try:
            reply = await running.wait(until - time.monotonic())
        except TimeoutError:
            raise refusals.request_in_progress() from None
        if reply is not None:
            return reply
    return None


async def _earlier(mark: Mark, attempt: Attempt, identity: Identity) -> Reply | None:
    """What other processes, or this one before a crash, know of an earlier attempt.

    Raises: GatewayError (409, 422), LedgerUnavailable.
    """
    account_id, kept = identity.account_id, identity.stores_replies
    if mark.key:
        attempt.claimed_at = time.monotonic()
        return await write(lambda: earlier.claim(attempt, account_id, kept=kept))
    if mark.retry_count:
        return await read(
            lambda: earlier.earlier(attempt.fingerprint, account_id, kept=kept)
        )
    return None


async def _let_go(attempt: Attempt) -> None:
    with contextlib.suppress(LedgerUnavailable):  # the claim lapses by itself
        await write(lambda: earlier.give_up(attempt))


async def _hand_out(reply: Reply, presented: str) -> HttpResponse:
    """A reply again. There is no hold that asks whether the key may still spend, so
    the key is looked up. Raises: GatewayError (401), LedgerUnavailable."""
    try:
        await known_keys.verify(presented)
    except KeyRefused as error:
        raise refusals.key_refused(error) from None
    return reply.again()


def _end(attempt: Attempt, response: HttpResponseBase, identity: Identity) -> None:
    """Answer those who joined, and keep a reply that was worth a charge: what a
    call, or the receipt of a job, said with 200."""
    if not isinstance(response, HttpResponse):
        if not attempt.ends_later:
            attempt.end(None)
        return
    reply = Reply.of(response)
    is_kept = (
        response.status_code == 200
        and "x-idempotent-replay" not in reply.headers
        and identity.stores_replies
        and len(reply.content) <= settings.REPLAY_BYTES_MAX
    )
    attempt.end(reply, stays=is_kept)
    if is_kept:
        forget = partial(attempt.loop.call_soon_threadsafe, attempts.forget, attempt)
        keeper.put(
            Kept(
                reply=reply,
                fingerprint=attempt.fingerprint,
                hold_id=attempt.hold_id,
                account_id=identity.account_id,
                at=clock.now(),
                written=forget,
            )
        )
