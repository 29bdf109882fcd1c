"""One scripted reply being performed on the wire, step by step."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Any

from tests.support.upstream import wire
from tests.support.upstream.journal import Journal, JournalEntry
from tests.support.upstream.replies import Ending, Gate, Pause, ScriptedReply, Step

GATE_POLL_SECONDS = 0.005


class Unfinished(Exception):
    """The script says to leave the reply here; the connection is of no more use."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending


@dataclass
class Exchange:
    """One reply being performed, step by step."""

    entry: JournalEntry | None
    reply: ScriptedReply
    reader: wire.WatchedReader
    writer: asyncio.StreamWriter
    journal: Journal

    async def run(self) -> None:
        """Perform the reply and write into the journal how it ended."""
        try:
            await self.perform()
        except Unfinished as unfinished:
            if unfinished.ending is Ending.RESET:
                self._reset()
            started = self.entry and self.entry.status is not None
            self._mark(state="cut" if started else "dropped")
        except (wire.Disconnect, ConnectionError):
            self._mark(state="client_gone")
        else:
            if self.reply.charge == "after":
                self._mark(credits=self.reply.credits, charged=True)
            self._mark(state="complete")

    async def perform(self) -> None:
        """All steps. Raises: Unfinished, Disconnect, ConnectionError."""
        for step in self.reply.before:
            await self._do(step)
        await self._send(wire.head(self.reply.status, self._headers()))
        self._mark(status=self.reply.status, state="replying")
        for step in self.reply.steps:
            await self._do(step)
        if self.reply.framing == "chunked":
            await self._send(wire.chunk(b""))

    async def _do(self, step: Step) -> None:
        if isinstance(step, bytes):
            is_chunk = self.reply.framing == "chunked"
            await self._send(wire.chunk(step) if is_chunk and step else step)
            if self.entry:
                self.entry.pieces_sent += 1
                self.entry.bytes_sent += len(step)
        elif isinstance(step, Pause):
            await self._wait(step.seconds)
        elif isinstance(step, Gate):
            while not step.is_set():
                await self._wait(GATE_POLL_SECONDS)
        else:
            if step is Ending.STALL:
                self._mark(state="stalled")
                await self._wait(None)
            raise Unfinished(step)

    async def _wait(self, seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.reader.gone.wait()
                raise wire.Disconnect

    async def _send(self, data: bytes) -> None:
        if self.reader.gone.is_set():
            raise wire.Disconnect
        self.writer.write(data)
        await self.writer.drain()

    def _headers(self) -> list[tuple[str, str]]:
        headers = list(self.reply.headers.items())
        if self.entry:
            headers.append(("x-request-id", self.entry.id))
        if self.reply.content_type is not None:
            headers.append(("content-type", self.reply.content_type))
        if self.reply.framing == "length":
            headers.append(("content-length", str(len(self.reply.body))))
        elif self.reply.framing == "chunked":
            headers.append(("transfer-encoding", "chunked"))
        else:
            headers.append(("connection", "close"))
        return headers

    def _reset(self) -> None:
        # Closing with a zero linger makes the kernel send RST instead of FIN.
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def _mark(self, **changes: Any) -> None:
        if self.entry:
            self.journal.mark(self.entry, **changes)
