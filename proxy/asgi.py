"""The gateway as an ASGI application; `portal/asgi.py` sends `/v1` here."""

from __future__ import annotations

import asyncio
import gc
import logging
import time

from django.conf import settings

from portal.runtime import health
from proxy.forwarding import streaming
from proxy.http import cors
from proxy.http.handler import LeanHandler, Message, Receive, Send
from proxy.http.reply import crashed, not_found
from proxy.idempotency.stored_replies import keeper
from proxy.limits.counters import counters
from proxy.process.heard import heard
from proxy.process.lease import process_lease
from proxy.process.refused import refusals_seen
from proxy.process.sightings import watch

logger = logging.getLogger(__name__)

# Seconds between looks whether all calls have ended, when the server is told to stop.
LOOK_SECONDS = 0.05
# Seconds for replies that are still to be stored.
KEEPER_SECONDS = 2

# New objects between two searches for garbage; Python's own 700 are two calls' worth.
GARBAGE_OBJECTS = 20_000


class Gateway(LeanHandler):
    """The gateway, with a beginning and an end."""

    running = 0  # calls, also those whose client has left

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if origin := cors.allowed_origin(scope):
            if cors.is_question(scope):
                await cors.answer_question(scope, origin, send)
                return
            send = cors.telling(origin, send)
        self.running += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.running -= 1

    async def lifespan(self, receive: Receive, send: Send) -> None:
        """ASGI's lifespan: take the lease, and at the end let what runs settle.

        A gateway without a lease serves, so that its watcher is answered, and refuses
        every call. At the end the server has refused new connections and waited for
        its clients; calls whose clients have left run on.
        """
        await receive()
        health.conditions.append(process_lease.trouble)
        await process_lease.start()
        heard.start(process_lease.own_id)
        watch.start()
        refusals_seen.start()
        _spare_the_collector()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._wait_for_calls(settings.SHUTDOWN_SECONDS)
        # What is answered now may be asked again of the process that comes after.
        await asyncio.to_thread(keeper.flush, KEEPER_SECONDS)
        await watch.stop()
        await refusals_seen.stop()
        await heard.stop(process_lease.own_id)
        await counters.close()
        await process_lease.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _wait_for_calls(self, seconds: float) -> None:
        """Wait until none runs, for so long at most; the server kills us then."""
        until = time.monotonic() + seconds
        if count := self.running + len(streaming.running):
            logger.info("waiting for %d calls to end", count)
        while self.running or len(streaming.running):
            if time.monotonic() > until:
                logger.error("calls still run; the sweep will doubt them")
                break
            await asyncio.sleep(LOOK_SECONDS)


def _spare_the_collector() -> None:
    """Let Python search less for garbage: what is loaded now is never freed, and a call
    leaves next to nothing that only a search finds. It saves 4 % of a call's CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)


gateway = Gateway("proxy.urls", not_found=not_found, crashed=crashed)
