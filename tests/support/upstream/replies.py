"""What the upstream answers, as data: a head and a list of steps to perform.

A step is bytes to send, a `Pause`, a `Gate` to wait for, or an `Ending` that
leaves the reply unfinished. Every misbehaviour is an arrangement of steps.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import pairwise
from typing import Any, Literal, TypeAlias


class Gate(threading.Event):
    """The reply waits here until the test calls `gate.set()`."""


@dataclass(frozen=True)
class Pause:
    """The reply waits this long."""

    seconds: float


class Ending(Enum):
    """How a reply stops before its end."""

    CUT = "cut"  # an orderly close of the socket, what was sent arrives
    RESET = "reset"  # a TCP reset, what was sent may be lost on the way
    STALL = "stall"  # open and silent, until the client or the test gives up


Step: TypeAlias = bytes | Pause | Gate | Ending


@dataclass(frozen=True, kw_only=True)
class ScriptedReply:
    """One scripted answer. `credits` is what the upstream really charges for it.

    The charge is booked in the journal when the request arrives ("before"), once
    the last byte is sent ("after"), or not at all ("never").
    """

    status: int = 200
    content_type: str | None = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    before: tuple[Step, ...] = ()
    steps: tuple[Step, ...] = ()
    credits: int = 0
    charge: Literal["before", "after", "never"] = "before"
    framing: Literal["length", "chunked", "close"] = "length"

    @property
    def body(self) -> bytes:
        """All bytes of the body, sent or not."""
        return b"".join(step for step in self.steps if isinstance(step, bytes))

    def but(self, **changes: Any) -> ScriptedReply:
        """The same reply with other fields."""
        return replace(self, **changes)

    def delayed(self, seconds: float) -> ScriptedReply:
        """The head comes this much later."""
        return replace(self, before=(*self.before, Pause(seconds)))

    def held(self, gate: Gate) -> ScriptedReply:
        """The head comes when the test opens the gate."""
        return replace(self, before=(*self.before, gate))

    def dropped(self, ending: Ending = Ending.CUT) -> ScriptedReply:
        """No byte at all comes: the connection closes, resets or stalls."""
        return replace(self, before=(*self.before, ending))

    def paced(self, seconds: float) -> ScriptedReply:
        """A pause before every piece of the body."""
        paced: list[Step] = []
        for step in self.steps:
            paced += [Pause(seconds), step] if isinstance(step, bytes) else [step]
        return replace(self, steps=tuple(paced))

    def split(self, size: int = 1) -> ScriptedReply:
        """The body in pieces of `size` bytes, wherever events begin or end."""
        return self.split_at(range(size, len(self.body), size))

    def split_at(self, offsets: Sequence[int]) -> ScriptedReply:
        """The body in pieces that end at these offsets; other steps are dropped."""
        body = self.body
        edges = [0, *offsets, len(body)]
        return replace(self, steps=tuple(body[a:b] for a, b in pairwise(edges)))

    def after_events(self, count: int, *interruption: Step) -> ScriptedReply:
        """`interruption` happens once `count` pieces of the body are sent."""
        seen = 0
        for index, step in enumerate((*self.steps, b"")):
            if seen == count:
                kept, rest = self.steps[:index], self.steps[index:]
                return replace(self, steps=(*kept, *interruption, *rest))
            seen += isinstance(step, bytes)
        raise ValueError(f"the reply has fewer than {count} pieces")

    def after_bytes(self, count: int, *interruption: Step) -> ScriptedReply:
        """`interruption` happens once `count` bytes of the body are sent."""
        kept: list[Step] = []
        for index, step in enumerate(self.steps):
            size = len(step) if isinstance(step, bytes) else 0
            if isinstance(step, bytes) and size >= count:
                rest = (step[count:], *self.steps[index + 1 :])
                return replace(self, steps=(*kept, step[:count], *interruption, *rest))
            count -= size
            kept.append(step)
        raise ValueError("the reply has fewer bytes")

    def cut_after_events(self, count: int) -> ScriptedReply:
        """An abrupt close after `count` pieces."""
        return self.after_events(count, Ending.CUT)

    def cut_after_bytes(self, count: int) -> ScriptedReply:
        """An abrupt close after `count` bytes of the body."""
        return self.after_bytes(count, Ending.CUT)

    def stall_after_events(self, count: int) -> ScriptedReply:
        """Silence after `count` pieces, the connection stays open."""
        return self.after_events(count, Ending.STALL)
