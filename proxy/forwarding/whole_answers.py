"""A whole answer as a stream, for a client that asked for one."""

from __future__ import annotations

from typing import Any

from proxy.calls.numbering import number_items
from proxy.http.sse import DONE, render


def as_events(document: dict[str, Any], wants_usage: bool) -> bytes:
    """The answer as one chunk, its usage if it was asked for, and the end."""
    usage = document.pop("usage", None)
    answers = document.get("choices")
    number_items(answers)
    choices = [
        {
            **{name: value for name, value in choice.items() if name != "message"},
            "delta": _delta(choice.get("message")),
        }
        for choice in (answers if isinstance(answers, list) else ())
        if isinstance(choice, dict)
    ]
    chunk = {**document, "object": "chat.completion.chunk", "choices": choices}
    # Code that reads choices[0] of every chunk breaks on one without any.
    events = render(chunk) if choices else b""
    if wants_usage and usage is not None:
        events += render({**chunk, "choices": [], "usage": usage})
    return events + DONE


def _delta(message: Any) -> dict[str, Any]:
    """A whole message as a piece of one: there the calls of tools are numbered."""
    if not isinstance(message, dict):
        return {}
    number_items(message.get("tool_calls"))
    return message
