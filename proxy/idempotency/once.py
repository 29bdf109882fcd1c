"""One charge for a request that a client sends again, because it lost the answer.

A repeat is what an SDK calls one (`x-stainless-retry-count`), or what carries the same
Idempotency-Key. The ledger finds it where it places the hold, so there is nothing to
look up before: a call is made, unless the ledger says that it was made already, and
then `earlier` says what its client gets. To ask the same twice is no repeat.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from billing import attempts as ledger
from billing.values import errors
from portal.tenants.errors import KeyRefused
from portal.tenants.keys import Identity
from proxy.http import refusals
from proxy.idempotency import stored_replies
from proxy.idempotency.attempts import Attempt, Reply, attempts
from proxy.idempotency.earlier import Search
from proxy.idempotency.stored_replies import Kept, keeper
from proxy.process.caches import known_keys

Make = Callable[[Attempt], Awaitable[HttpResponseBase]]


async def once(
    attempt: Attempt, identity: Identity, presented: str, make: Make
) -> HttpResponseBase:
    """The answer to a request that may come again. `make` holds and makes the call; it
    raises AttemptExists or Overtaken instead, and has done nothing then.

    Raises: GatewayError, LedgerUnavailable, and what `make` raises.
    """
    search = Search(attempt, identity)
    with attempts.running(attempt):
        while True:
            try:
                response = await make(attempt)
            except errors.Overtaken:
                raise refusals.request_in_progress() from None
            except errors.AttemptExists as found:
                hold_ids = found.hold_ids
            else:
                _end(attempt, response, identity)
                return response
            if reply := await search.answer(hold_ids):
                attempt.end(None)
                return await _hand_out(reply, presented)


async def _hand_out(reply: Reply, presented: str) -> HttpResponse:
    """A reply again. There is no hold that asks whether the key may still spend, so
    the key is looked up. Raises: GatewayError (401, 403), LedgerUnavailable."""
    try:
        now = await known_keys.verify(presented)
    except KeyRefused as error:
        raise refusals.key_refused(error) from None
    if now.is_suspended:
        raise refusals.organization_suspended()
    return reply.again()


def _end(attempt: Attempt, response: HttpResponseBase, identity: Identity) -> None:
    if isinstance(response, HttpResponse):
        end(attempt, Reply.of(response), identity)
    elif not attempt.ends_later:
        attempt.end(None)


def end(attempt: Attempt, reply: Reply | None, identity: Identity) -> None:
    """Answer those who joined, and keep a reply that was worth a charge: what a
    call, or the receipt of a job, said with 200. None: there is nothing to repeat."""
    is_kept = reply is not None and is_worth_keeping(reply, identity)
    attempt.end(reply, stays=is_kept)
    if reply and is_kept:
        forget = partial(attempt.loop.call_soon_threadsafe, attempts.forget, attempt)
        keeper.put(Kept(reply, attempt.hold_id, identity.account_id, written=forget))


def keep(reply: Reply, hold_id: str, identity: Identity) -> None:
    """Keep a reply that nobody repeats, and that others may refer to."""
    if is_worth_keeping(reply, identity):
        keeper.put(Kept(reply, hold_id, identity.account_id, written=lambda: None))


def is_worth_keeping(reply: Reply, identity: Identity) -> bool:
    """Whether it is a success, short enough, of an organization that lets it."""
    return (
        reply.status == 200
        and identity.stores_replies
        and len(reply.content) <= settings.REPLAY_BYTES_MAX
    )


def purge() -> int:
    """Delete what is past its time: replies, and attempts; how many."""
    window = timedelta(seconds=settings.REPLAY_SECONDS)
    return stored_replies.purge() + ledger.purge(window)
