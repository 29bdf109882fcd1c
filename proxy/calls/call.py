"""A call that costs: an operation of the contract, and what one request comes to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from django.http.response import HttpResponseBase

from billing.pricing.rates import Units
from proxy.calls.heeded import Wish
from proxy.http import reply
from proxy.models import Job

Document = dict[str, Any]
Headers = dict[str, str]
Answer = Callable[[Document, Headers], Awaitable[HttpResponseBase]]


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a client asked, whatever it was sent as: JSON, or a form."""

    document: Document
    query: Mapping[str, str] = field(default_factory=dict)
    accept: str = ""  # the Accept header


class Events(Protocol):
    """A chat's stream told in another operation's events, as bytes to send."""

    def begin(self) -> bytes:
        """Before anything came."""

    def feed(self, chunk: Document) -> bytes:
        """What a chunk adds; it may be nothing."""

    def end(self, usage: Document) -> bytes:
        """The end, once the call is charged; `usage` says what was. Nothing after
        `fail`."""

    def fail(self, error: Document) -> bytes:
        """In place of the end; `error` as a refusal has it."""


async def as_json(document: Document, headers: Headers) -> HttpResponseBase:
    """Most operations answer as the upstream does."""
    return reply.json(document, headers)


class Mode(StrEnum):
    """How the upstream runs a call; the value is what a job's row keeps."""

    PLAIN = "sync"  # it answers with the result
    JOB = "job"  # as a job that the client asks about
    AWAITED = "awaited"  # as a job whose end we wait for in the client's place


@dataclass(frozen=True, slots=True)
class Call:
    """One understood request.

    `most` is an upper bound, from the request itself; `least` is what it surely uses,
    for calls whose usage nobody reports, and `count` says more once there is an
    answer. `answer` makes the client's reply of the upstream's document; by then the
    call is settled.
    """

    operation: str
    path: str  # at the upstream
    model: str
    content: bytes  # the body as it will be forwarded
    most: Units
    least: Units
    completion_tokens_asked: int | None = None
    # What may change the price beside the units, and has no price in the tariff.
    traits: tuple[str, ...] = ()
    stream: bool = False
    wants_usage: bool = False
    mode: Mode = Mode.PLAIN
    count: Callable[[Call, Document], Units] = lambda call, _document: call.least
    # The upstream's `usage` with the figures that clients count on, from our count.
    complete_usage: Callable[[Document, Units], Document] = lambda usage, _units: usage
    answer: Answer = as_json
    # Tells its stream, where that is not a chat's; from the headers of its reply.
    events: Callable[[Headers], Events] | None = None
    # Whether later calls may refer to its answer, which is kept for a while.
    is_kept: bool = False
    # What its answer shows to have been heeded or not, by the parameters' names.
    wishes: Mapping[Wish, str] = field(default_factory=dict)
    schema: Document | None = None  # that the answer shall keep to
    # What was sent, would mean something, and the upstream has nothing like.
    ignored: tuple[str, ...] = ()
    # What a job's row keeps of the request, for its later answers. Never the prompt.
    remembered: Document = field(default_factory=dict)
    # What answers its start, from its row and the contract's AsyncJobResponse.
    receipt: Callable[[Job, Document], Document] = lambda _job, document: document

    @property
    def tokens_guess(self) -> int:
        """What counts as its tokens until it has ended: what was asked, about, and all
        that may be answered."""
        return self.least.prompt_tokens + self.most.completion_tokens


@dataclass(frozen=True, slots=True)
class Operation:
    """One way to spend: a row of the gateway's table of routes."""

    name: str  # in the ledger and the tariff
    route: str  # below /v1/
    read: Callable[[Incoming], Call]  # Raises: GatewayError (400)
    takes_forms: bool = False  # multipart as well as JSON
    # Puts what a body only refers to in its place; for an account.
    recall: Callable[[Document, int], Awaitable[Document]] | None = None
    # The fields that cap its answer, in tokens; the first is the one to name.
    caps: tuple[str, ...] = ("max_tokens", "max_completion_tokens")
