"""Whether an answer does what was asked of it, where an upstream may pass over that in
silence: a client that is not told pays again and again for what it never gets.

What can be seen in a chat's answer: that it is JSON, and as its schema says; that it
calls a tool; that it has log probabilities. `Call.wishes` says which were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import orjson

from proxy.calls.counting import is_count
from proxy.calls.schema_heeded import Look

TEXT_BYTES_MAX = 1024**2  # of a stream; a longer one is not judged


class Wish(StrEnum):
    """What a request asks of its answer."""

    JSON = "json"
    TOOL_CALL = "tool call"
    LOGPROBS = "logprobs"


class Heeded:
    """Looks at an answer, whole or in chunks."""

    def __init__(self, wishes: Mapping[Wish, str], schema: Any = None) -> None:
        """`wishes` by the names of the parameters that said so; with Wish.JSON the
        JSON `schema` that was asked for, if one was."""
        self._look = None if schema is None else Look(schema)
        self._wishes = wishes
        self._texts: dict[int, list[str]] = {}
        self._bytes = 0
        self._seen: set[Wish] = set()
        self._is_cut = False  # an answer that ends early says nothing of what it heeds

    def take(self, document: dict[str, Any], part: str) -> None:
        """A whole answer (its `message`s), or a chunk (its `delta`s)."""
        choices = document.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            said = choice.get(part) if isinstance(choice, dict) else None
            if not isinstance(said, dict):
                continue
            if choice.get("finish_reason") in ("length", "content_filter"):
                self._is_cut = True
            if choice.get("logprobs"):
                self._seen.add(Wish.LOGPROBS)
            if said.get("tool_calls") or said.get("function_call"):
                self._seen.add(Wish.TOOL_CALL)
            if said.get("refusal"):
                self._is_cut = True
            text = said.get("content")
            if isinstance(text, str) and self._bytes < TEXT_BYTES_MAX:
                self._bytes += len(text)
                place = choice.get("index")
                place = place if is_count(place) else 0
                self._texts.setdefault(place, []).append(text)

    def unheeded(self) -> tuple[str, ...]:
        """The parameters that had no effect, as far as the answer shows it."""
        if self._is_cut:
            return ()
        if Wish.JSON in self._wishes and self._is_json():
            self._seen.add(Wish.JSON)
        return tuple(
            name for wish, name in self._wishes.items() if wish not in self._seen
        )

    def _is_json(self) -> bool:
        """Whether every text is; also where there is none to judge."""
        if self._bytes >= TEXT_BYTES_MAX:
            return True
        for pieces in self._texts.values():
            text = "".join(pieces)
            try:
                # None beside a call of a tool.
                if text and not self._is_as_asked(orjson.loads(text)):
                    return False
            except orjson.JSONDecodeError:
                return False
        return True

    def _is_as_asked(self, value: Any) -> bool:
        return self._look is None or self._look.keeps_to(value)
