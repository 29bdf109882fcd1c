"""The numbers by which clients put a streamed answer together, where it has none.

SDKs collect pieces by the `index` of their choice and of their call of a tool; some
upstreams leave it out, and the pieces are lost or glued together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from proxy.calls.counting import is_count


@dataclass(slots=True)
class _Calls:
    """The calls of tools in one choice, as far as they were streamed."""

    count: int = 0  # above every number given so far
    last: int = 0
    numbers: dict[str, int] = field(default_factory=dict)  # by the call's id

    def complete(self, call: dict[str, Any]) -> bool:
        """Number the call if it has no number; whether it had none.

        An id that is new, or a name without an id, begins a call; anything else
        continues the last one.
        """
        is_missing = not is_count(call.get("index"))
        name = call.get("id")
        if not isinstance(name, str):
            name = ""
        if is_missing and name:
            call["index"] = self.numbers.get(name, self.count)
        elif is_missing:
            call["index"] = self.count if _names_a_tool(call) else self.last
        self.last = call["index"]
        self.count = max(self.count, self.last + 1)
        if name:
            self.numbers[name] = self.last
        return is_missing


class Numbering:
    """Numbers the chunks of one stream, in the order in which they come."""

    def __init__(self) -> None:
        self._calls: dict[int, _Calls] = {}

    def complete(self, chunk: dict[str, Any]) -> bool:
        """Write the numbers that are missing into `chunk`; whether any was."""
        choices = chunk.get("choices")
        is_changed = number_items(choices)
        for choice in choices if isinstance(choices, list) else ():
            delta = choice.get("delta") if isinstance(choice, dict) else None
            calls = delta.get("tool_calls") if isinstance(delta, dict) else None
            for call in calls if isinstance(calls, list) else ():
                if isinstance(call, dict):
                    known = self._calls.setdefault(choice["index"], _Calls())
                    is_changed |= known.complete(call)
        return is_changed


def number_items(items: Any) -> bool:
    """Number the objects in a list that have no number, by their place; whether there
    was one."""
    is_changed = False
    for place, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and not is_count(item.get("index")):
            item["index"] = place
            is_changed = True
    return is_changed


def as_chunk(document: dict[str, Any]) -> dict[str, Any]:
    """A whole answer as the one chunk of a stream; `document` is used up."""
    answers = document.get("choices")
    number_items(answers)
    answers = answers if isinstance(answers, list) else []
    choices = [each for each in answers if isinstance(each, dict)]
    for choice in choices:
        message = choice.pop("message", None)
        choice["delta"] = message if isinstance(message, dict) else {}
        number_items(choice["delta"].get("tool_calls"))  # in pieces they have numbers
    return {**document, "object": "chat.completion.chunk", "choices": choices}


def _names_a_tool(call: dict[str, Any]) -> bool:
    tools = (call.get(kind) for kind in ("function", "custom"))
    return any(isinstance(tool, dict) and tool.get("name") for tool in tools)
