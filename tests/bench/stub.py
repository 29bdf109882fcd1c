"""The stub upstream: prepared replies over a raw protocol, counted by caller.

The first part of the path names the caller (`/forwarder/api/v1/…`), so that one
stub serves every gateway of a run and still knows whom it charged.
`GET /counts` gives the number of calls by name.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import cast

import uvloop

from tests.bench import wire

COMPLETION = wire.completion()
STREAM = wire.stream_writes()
MODELS = wire.json_reply({"object": "list", "data": [{"id": wire.MODEL}]})

counts: Counter[str] = Counter()


class Upstream(asyncio.Protocol):
    """One keep-alive connection; a gateway's client never pipelines."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.received = b""
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods but not the base class
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None

    def data_received(self, data: bytes) -> None:
        received = self.received + data if self.received else data
        head_end = received.find(wire.HEAD_END)
        if head_end >= 0 and self.is_whole(received, head_end):
            self.received = b""
            self.answer(received)
        else:
            self.received = received

    def is_whole(self, received: bytes, head_end: int) -> bool:
        length = wire.LENGTH.search(received, 0, head_end)
        if length:
            return len(received) >= head_end + 4 + int(length[1])
        is_chunked = b"chunked" in received[:head_end].lower()
        return not is_chunked or received.endswith(wire.LAST_CHUNK)

    def answer(self, request: bytes) -> None:
        assert self.transport is not None
        if request.startswith(b"GET /counts"):
            self.transport.write(wire.json_reply(counts))
        elif request.startswith(b"GET "):
            self.transport.write(MODELS)
        else:
            name = request[6 : request.index(b"/", 6)].decode()
            counts[name] += 1
            if b'"stream":true' in request or b'"stream": true' in request:
                self.stream(0)
            else:
                self.transport.write(COMPLETION)

    def stream(self, position: int) -> None:
        """Write one event, the next in the loop's next turn.

        uvloop joins the writes of one turn into one segment, but a real model's
        tokens arrive one by one.
        """
        if self.transport is None:
            return
        self.transport.write(STREAM[position])
        if position + 1 < len(STREAM):
            self.loop.call_soon(self.stream, position + 1)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
