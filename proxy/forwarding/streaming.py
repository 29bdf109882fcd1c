"""Streamed answers: read to the end, whoever still listens, and settled before it.

A task reads the upstream, the client takes events from a bounded queue. When the client
leaves, the task reads on (for a bounded time), because the upstream charges for the
whole answer and only its last event says how much.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from django.conf import settings
from django.http import StreamingHttpResponse

from billing.models.hold import HoldState
from billing.pricing.rates import Units
from billing.values.crashpoints import crashpoint
from billing.values.errors import LedgerUnavailable
from proxy.calls import usage_shown
from proxy.calls.counting import delivered_bytes, is_count, with_answer
from proxy.calls.exchange import EVENT_STREAM, Exchange
from proxy.calls.heeded import Heeded
from proxy.calls.numbering import Numbering
from proxy.forwarding.kept_streams import KeptStream
from proxy.http import refusals, reply, sse, upstream_refusals
from proxy.http.sse import DONE, Event, EventTooLarge, Splitter, parse, render
from proxy.process.background import BackgroundTasks
from proxy.upstream.client import Ambiguous, Reply
from proxy.upstream.redaction import scrubbed

logger = logging.getLogger(__name__)

HEAD = ("id", "object", "created", "model")
# Seconds in which a stream that said [DONE] should end: then its connection is reused.
AFTER_DONE_SECONDS = 1

# Events a slow client may be behind; then the upstream has to wait too.
QUEUE_EVENTS_MAX = 64
# Programs that are known to skip a comment before an event, by `calls.programs`.
TAKE_COMMENTS = {"openai-python", "openai-node", "AI SDK", "LangChain", "LangChain.js"}
# Seconds a client may take nothing at all before it counts as gone.
CLIENT_STALL_SECONDS = 60

# The streams that this process reads now.
running = BackgroundTasks()


def stream_reply(exchange: Exchange, answer: Reply) -> StreamingHttpResponse:
    """Start reading; the response that hands on what is read."""
    streamed = StreamedCall(exchange, answer)
    exchange.answers_by_stream()
    running.start(streamed.run())
    if exchange.client in TAKE_COMMENTS and settings.STREAM_KEEPALIVE_SECONDS:
        streamed.relay.beat(settings.STREAM_KEEPALIVE_SECONDS)
    headers = {**exchange.headers(), **sse.HEADERS}
    return StreamingHttpResponse(
        streamed.relay, headers=headers, content_type=EVENT_STREAM
    )


class StreamedCall:
    """Reads one upstream stream to its end and settles it."""

    draining = 0  # of this process, whose clients have left

    def __init__(self, exchange: Exchange, answer: Reply) -> None:
        self.exchange = exchange
        self.answer = answer
        self.relay = Relay(self._drain)
        self._limit: asyncio.Timeout | None = None
        self._is_draining = False
        self._is_done = False  # [DONE] was seen
        self._fault = ""
        self._report: dict[str, Any] | None = None
        self._usage_event: dict[str, Any] | None = None
        self._head: dict[str, Any] = {}  # what every chunk says of its stream
        self._upstream_id = answer.request_id
        self._delivered_bytes = 0
        self._numbering = Numbering()
        call = exchange.call
        self._heeded = Heeded(call.wishes, call.schema) if call.wishes else None
        self._kept = KeptStream(exchange.keeps_stream)
        events = exchange.call.events
        self._events = events(exchange.headers()) if events else None

    async def run(self) -> None:
        """Read, settle, and say the end. Raises nothing: the hold then falls due."""
        try:
            await self._read()
            await self._finish()
        except Exception:  # noqa: BLE001  nobody awaits this task
            logger.exception("a stream ended badly: %s", self.exchange.request_id)
        finally:
            if self._is_draining:
                StreamedCall.draining -= 1
            self.exchange.stream_ended(self._kept.whole())
            await self.relay.finish()

    async def _tell(self, part: bytes) -> None:
        self._kept.add(part)
        await self.relay.put(part)

    # --- reading -------------------------------------------------------------------

    async def _read(self) -> None:
        splitter = Splitter()
        if self._events:
            await self._tell(self._events.begin())
        try:
            async with asyncio.timeout(settings.UPSTREAM_TOTAL_SECONDS) as self._limit:
                async for chunk in self.answer.stream():
                    for event in splitter.feed(chunk):
                        await self._take(event)
        except Ambiguous as fault:
            self._fault = fault.reason
        except EventTooLarge:
            self._fault = "upstream_event_too_large"
        except TimeoutError:
            self._fault = "drain_capped" if self._is_draining else "upstream_timeout"
        finally:
            self._limit = None
            await self.answer.close()
        if self._is_done:
            self._fault = ""  # the answer was whole
        # JSON that parses is whole, even where the stream was cut right after it.
        left = splitter.rest()
        if left and (not self._fault or left.document()):
            await self._take(left)

    def _drain(self) -> None:
        """The client left: read on, but not for ever, and not for everybody."""
        self.exchange.remark("client_gone")
        if self._limit is None:
            return
        self._is_draining = True
        has_room = StreamedCall.draining < settings.DRAIN_MAX
        StreamedCall.draining += 1
        self._stop_within(settings.DRAIN_SECONDS if has_room else 0)

    def _stop_within(self, seconds: float) -> None:
        """Read on for so long at most, and never longer than was agreed before."""
        if self._limit is not None:
            until = asyncio.get_running_loop().time() + seconds
            self._limit.reschedule(min(until, self._limit.when() or until))

    async def _take(self, event: Event) -> None:
        if self._is_done:
            return  # nothing counts after the end
        if (shown_bytes := scrubbed(event.raw)) is not event.raw:
            event = parse(shown_bytes)
        crashpoint("stream.event")
        if event.data == b"[DONE]":
            self._is_done = True
            self._stop_within(AFTER_DONE_SECONDS)
            return
        if not event.data.strip():
            # Comments, ids and names alone: naive parsers make an event of them, and
            # fail because its data is not JSON.
            return
        if event.raw[:1] in b"\r\n":  # an empty line too many ends such a block too
            event = Event(event.raw.lstrip(b"\r\n"), event.data)
        document = event.document()
        if document is None:
            if not self._events:
                await self._tell(event.raw)
            return
        self._note(document)
        if self._heeded:
            self._heeded.take(document, "delta")
        is_changed = self._numbering.complete(document)
        if self._events:
            if part := self._events.feed(document):
                await self._tell(part)
            return
        usage = document.get("usage")
        if isinstance(usage, dict):
            if not document.get("choices") and not document.get("error"):
                # No choices, or none said (null, absent): it is there for its usage.
                # Shown at the end, at the customer's price, if it was asked for:
                # code that reads choices[0] of every chunk breaks on this one.
                self._usage_event = document
                return
            shown = usage_shown.priced(
                usage_shown.with_tokens(usage, self._counted),
                self.exchange.placed.price_factor_ppm,
            )
            is_changed |= shown is not usage
            document["usage"] = shown
        await self._tell(render(document) if is_changed else event.raw)

    @property
    def _counted(self) -> Units:
        """What was seen so far, for what the upstream does not say."""
        return with_answer(self.exchange.call.least, self._delivered_bytes)

    def _note(self, document: dict[str, Any]) -> None:
        """Remember what settlement needs: usage, ids, how much was delivered."""
        if isinstance(document.get("id"), str):
            self._upstream_id = document["id"]
        if not self._head:
            self._head = {name: document[name] for name in HEAD if name in document}
        self._delivered_bytes += delivered_bytes(document, "delta")
        usage = document.get("usage")
        if isinstance(usage, dict) and usage:
            self._note_usage(usage)

    def _note_usage(self, usage: dict[str, Any]) -> None:
        """The last valid report wins; one that takes credits back is remarked."""
        credits: Any = usage.get("credits_used")
        before = self._report and self._report.get("credits_used")
        if type(before) is int:
            if not is_count(credits):
                return
            if credits < before:
                self.exchange.remark("usage_decreased")
        self._report = usage

    # --- the end -------------------------------------------------------------------

    async def _finish(self) -> None:
        refused = upstream_refusals.stream_broken(self._fault) if self._fault else None
        try:
            await self._settle()
        except LedgerUnavailable:
            refused = refusals.stream_not_settled()
        if refused:
            # An error inside a stream: the SDKs raise APIError with its code.
            said = reply.describe(refused)
            told = self._events.fail(said["error"]) if self._events else render(said)
            await self._tell(told)
        else:
            await self._say_goodbye()

    async def _settle(self) -> None:
        exchange = self.exchange
        if self._fault:
            exchange.remark(self._fault)
        if self._report is not None or self._delivered_bytes:
            await exchange.settle(
                self._report, counted=self._counted, upstream_id=self._upstream_id
            )
        else:
            # Nothing came, so nothing is charged; but the upstream may see it
            # otherwise, so the call is listed.
            reason = self._fault or "upstream_no_output"
            await exchange.release(reason, is_proven=False)

    async def _say_goodbye(self) -> None:
        crashpoint("stream.settled")
        if self._heeded:  # its head is out: the comment at the end says it
            self.exchange.ignore(self._heeded.unheeded())
        exchange, end = self.exchange, self.exchange.end
        is_charged = end is not None and end.state == HoldState.SETTLED
        if self._events:
            usage = usage_shown.with_tokens(self._report or {}, self._counted)
            if end:
                usage = usage_shown.charged(usage, end.charged_micros)
            if told := self._events.end(usage):
                await self._tell(self._comment() + told)
                self._kept.is_whole = is_charged
            return
        event = self._usage_event
        if event is None and self._report is None and self._delivered_bytes:
            # The upstream says nothing of it; what was charged can still be said.
            event = {"usage": {}}
        if event and exchange.call.wants_usage and end:
            usage = usage_shown.with_tokens(event["usage"], self._counted)
            usage = usage_shown.charged(usage, end.charged_micros)
            last = {**self._head, **event, "choices": [], "usage": usage}
            await self._tell(render(last))
        await self._tell(self._comment() + DONE)
        self._kept.is_whole = is_charged

    def _comment(self) -> bytes:
        """Every client skips it, people with curl read it. It stands in the block of
        the end, because a block without data is an event to naive parsers."""
        said = self.exchange.headers()
        facts = (f"{name}={said[name]}" for name in said if name.startswith("x-"))
        return f": {' '.join(facts)}\n".encode()


class Relay:
    """The client's end. An object with `close`, not a generator: the `finally` of a
    generator that never started does not run when a client leaves that early."""

    def __init__(self, on_close: Callable[[], object]) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_EVENTS_MAX)
        self._on_close = on_close
        self._is_over = False  # the client is gone, or has everything
        self._is_silent = False  # nothing came since the last beat

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        part = await self._queue.get()
        if part is None:
            raise StopAsyncIteration
        return part

    async def put(self, part: bytes | None) -> None:
        """Hand on `part`; to nobody, once the client is gone."""
        if self._is_over:
            return
        self._is_silent = False
        if not self._queue.full():
            self._queue.put_nowait(part)
            return
        try:
            async with asyncio.timeout(CLIENT_STALL_SECONDS):
                await self._queue.put(part)
        except TimeoutError:
            self.close()

    def beat(self, seconds: float) -> None:
        """From now on say something at least so often: proxies cut what is silent."""
        if self._is_over:
            return
        if self._is_silent and self._queue.empty():
            self._queue.put_nowait(sse.KEEP_ALIVE)
        self._is_silent = True
        asyncio.get_running_loop().call_later(seconds, self.beat, seconds)

    async def finish(self) -> None:
        await self.put(None)
        self._is_over = True

    def close(self) -> None:
        """The client is gone, or has everything."""
        if self._is_over:
            return
        self._is_over = True
        while not self._queue.empty():  # a reader blocked on a full queue goes on
            self._queue.get_nowait()
        self._queue.put_nowait(None)
        self._on_close()
