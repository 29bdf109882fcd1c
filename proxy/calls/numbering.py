"""The numbers by which clients put a streamed answer together, where it has none.

SDKs collect pieces by the `index` of their choice and of their call of a tool; some
upstreams leave it out, and the pieces are lost or glued together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class _Calls:
    """The calls of tools in one choice, as far as they were streamed."""

    count: int = 0  # above every number given so far
    last: int | None = None
    numbers: dict[str, int] = field(default_factory=dict)  # by the call's id

    def note(self, call: dict[str, Any], number: int) -> None:
        self.last = number
        self.count = max(self.count, number + 1)
        if isinstance(name := call.get("id"), str) and name:
            self.numbers[name] = number

    def number_of(self, call: dict[str, Any]) -> int:
        """An id that is new, or a name without an id, begins a call; anything else
        continues the last one."""
        name = call.get("id")
        if isinstance(name, str) and name:
            return self.numbers.get(name, self.count)
        if self.last is None or _names_a_tool(call):
            return self.count
        return self.last


class Numbering:
    """Numbers the chunks of one stream, in the order in which they come."""

    def __init__(self) -> None:
        self._calls: dict[int, _Calls] = {}

    def complete(self, chunk: dict[str, Any]) -> bool:
        """Write the numbers that are missing into `chunk`; whether any was."""
        is_changed = number_items(chunk.get("choices"))
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            delta = choice.get("delta") if isinstance(choice, dict) else None
            calls = delta.get("tool_calls") if isinstance(delta, dict) else None
            if isinstance(calls, list):
                known = self._calls.setdefault(choice["index"], _Calls())
                for call in calls:
                    if isinstance(call, dict):
                        is_changed |= _number(call, known)
        return is_changed


def number_items(items: Any) -> bool:
    """Number the objects in a list that have no number, by their place; whether there
    was one."""
    is_changed = False
    for place, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and not _is_number(item.get("index")):
            item["index"] = place
            is_changed = True
    return is_changed


def _number(call: dict[str, Any], known: _Calls) -> bool:
    is_missing = not _is_number(call.get("index"))
    if is_missing:
        call["index"] = known.number_of(call)
    known.note(call, call["index"])
    return is_missing


def _is_number(value: Any) -> bool:
    return type(value) is int and value >= 0


def _names_a_tool(call: dict[str, Any]) -> bool:
    for kind in ("function", "custom"):
        tool = call.get(kind)
        if isinstance(tool, dict) and tool.get("name"):
            return True
    return False
