"""The gateway as an ASGI application; `portal/asgi.py` sends `/v1` here."""

from __future__ import annotations

import asyncio
import logging

from proxy.errors import Responder
from proxy.handler import LeanHandler, Receive, Send
from proxy.lifeline import lifeline
from proxy.streaming import StreamedCall

logger = logging.getLogger(__name__)

# Seconds a server that is told to stop lets streams finish whose client has left.
SHUTDOWN_SECONDS = 20


class Gateway(LeanHandler):
    """The gateway, with a beginning and an end."""

    async def lifespan(self, receive: Receive, send: Send) -> None:
        """ASGI's lifespan: take the lease, and at the end settle what still runs."""
        await receive()
        await lifeline.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if StreamedCall.running:
            logger.info("waiting for %d streams", len(StreamedCall.running))
            await asyncio.wait(StreamedCall.running, timeout=SHUTDOWN_SECONDS)
        await lifeline.stop()
        await send({"type": "lifespan.shutdown.complete"})


gateway = Gateway("proxy.urls", errors=Responder())
