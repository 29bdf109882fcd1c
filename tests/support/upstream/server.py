"""A real HTTP server on the loopback that plays the upstream, well or badly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar, cast

from tests.support.upstream import builders, defaults, wire
from tests.support.upstream.exchange import Exchange
from tests.support.upstream.journal import Journal, JournalEntry
from tests.support.upstream.replies import ScriptedReply
from tests.support.waiting import PATIENCE_SECONDS

Script: TypeAlias = (
    ScriptedReply | Sequence[ScriptedReply] | Callable[[JournalEntry], ScriptedReply]
)
T = TypeVar("T")

# A scripted function may block (on an Event, a Barrier): each gets a thread.
SCRIPT_THREADS_MAX = 512


@dataclass(kw_only=True)
class Behaviour:
    """Which requests get which replies."""

    model: str | None
    marker: str | None
    path: str | None
    script: Script
    calls: int = 0

    def matches(self, entry: JournalEntry) -> bool:
        return (
            (self.model is None or entry.model == self.model)
            and (self.marker is None or self.marker.encode() in entry.raw_body)
            and (self.path is None or entry.path.endswith(self.path))
        )

    def next_reply(self, entry: JournalEntry) -> ScriptedReply:
        """One reply of a sequence after the other; the last one again and again."""
        self.calls += 1
        if callable(self.script):
            return self.script(entry)
        if isinstance(self.script, ScriptedReply):
            return self.script
        return self.script[min(self.calls, len(self.script)) - 1]


class Upstream:
    """The server; a context manager. `url` is the `UPSTREAM_BASE_URL` to use.

    Its loop runs in a thread of its own, so that a test may block meanwhile.
    """

    def __init__(self, *, port: int = 0, default_credits: int | None = None) -> None:
        self.port = port
        self.default_credits = default_credits
        self.journal = Journal()
        self._behaviours: list[Behaviour] = []
        self._connections: set[asyncio.StreamWriter] = set()
        self._replying: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what a test calls ------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    def on(
        self,
        *,
        reply: Script,
        model: str | None = None,
        marker: str | None = None,
        path: str | None = None,
    ) -> Behaviour:
        """Answer matching requests with `reply`; of several matches the latest wins.

        `marker` is a text anywhere in the request's body, `path` the path's end.
        A script is one reply, several of them (one a request, the last repeats), or
        a function of the journal entry, which may block.
        """
        behaviour = Behaviour(model=model, marker=marker, path=path, script=reply)
        self._behaviours.insert(0, behaviour)
        return behaviour

    def total_credits(self) -> int:
        """All that this upstream has charged since the last `reset`."""
        return self.journal.total_credits()

    def reset(self) -> None:
        """A new test: no behaviours, an empty journal, and no reply under way.

        Idle connections stay: closing them would make the gateway's pool stale.
        """
        self._behaviours.clear()
        self._run(self._abort(self._replying))
        self.journal.clear()

    # --- life --------------------------------------------------------------------

    def start(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._scripts = ThreadPoolExecutor(SCRIPT_THREADS_MAX, "upstream-script")
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="upstream", daemon=True
        )
        self._thread.start()
        self._server = self._run(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._scripts.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result(PATIENCE_SECONDS)

    async def _listen(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()

        def protocol() -> asyncio.StreamReaderProtocol:
            return asyncio.StreamReaderProtocol(wire.WatchedReader(), self._accept)

        return await loop.create_server(protocol, "127.0.0.1", self.port, backlog=1024)

    async def _abort(self, writers: set[asyncio.StreamWriter]) -> None:
        for writer in list(writers):
            writer.transport.abort()

    async def _close(self) -> None:
        self._server.close()
        await self._abort(self._connections)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=PATIENCE_SECONDS / 2)

    # --- one connection ------------------------------------------------------------

    def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.create_task(
            self._serve(cast("wire.WatchedReader", reader), writer)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, reader: wire.WatchedReader, writer: asyncio.StreamWriter
    ) -> None:
        self._connections.add(writer)
        try:
            with contextlib.suppress(wire.Disconnect, ConnectionError):
                while request := await wire.read_request(reader):
                    self._replying.add(writer)
                    is_reusable = await self._answer(request, reader, writer)
                    self._replying.discard(writer)
                    if not is_reusable:
                        break
        finally:
            self._replying.discard(writer)
            self._connections.discard(writer)
            writer.close()

    async def _answer(
        self,
        request: wire.Request,
        reader: wire.WatchedReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        if request.path == "/journal":
            shown = {
                "total_credits": self.total_credits(),
                "entries": [entry.as_dict() for entry in self.journal],
            }
            reply = builders.json_reply(json.dumps(shown).encode())
            await Exchange(None, reply, reader, writer, self.journal).perform()
            return True
        if request.path.endswith("/models") and not self._is_scripted(request):
            # Gateways ask for it by themselves; it is no call of a test's.
            listed = defaults.reply_to(self.journal.draft(request), base_url=self.url)
            await Exchange(None, listed, reader, writer, self.journal).perform()
            return True
        entry = self.journal.open(request)
        reply = await self._choose(entry)
        if reply.charge == "before":
            self.journal.mark(entry, credits=reply.credits, charged=True)
        await Exchange(entry, reply, reader, writer, self.journal).run()
        wants_close = request.headers.get("connection", "").lower() == "close"
        return (
            entry.state == "complete" and reply.framing != "close" and not wants_close
        )

    def _is_scripted(self, request: wire.Request) -> bool:
        """Whether a test says what this very path answers."""
        return any(
            behaviour.path is not None and request.path.endswith(behaviour.path)
            for behaviour in self._behaviours
        )

    async def _choose(self, entry: JournalEntry) -> ScriptedReply:
        for behaviour in self._behaviours:
            if behaviour.matches(entry):
                if not callable(behaviour.script):
                    return behaviour.next_reply(entry)
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(
                    self._scripts, behaviour.next_reply, entry
                )
        return defaults.reply_to(entry, base_url=self.url, credits=self.default_credits)
