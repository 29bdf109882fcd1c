"""Tools: the contract does not name them, but SDKs send them.

The sandbox calls a tool only where `tool_choice` tells it to.
"""

from __future__ import annotations

from typing import Any

import orjson

from proxy.sandbox import tokens

RESULTS = ("tool", "function")
PARTS = ("content", "tool_calls")  # of a message, that are counted
ARGUMENTS = "{}"  # of every call: what a tool wants is not read


def without_tools(document: Any) -> Any:
    """The request as the contract's schema can check it: a tool's result is a user's
    message, and an assistant that only called tools said an empty text."""
    messages = document.get("messages") if isinstance(document, dict) else None
    if not isinstance(messages, list):
        return document
    return {**document, "messages": [_without_tools(message) for message in messages]}


def _without_tools(message: Any) -> Any:
    if isinstance(message, dict):
        if message.get("role") in RESULTS:
            return {**message, "role": "user", "content": ""}
        calls = message.get("tool_calls") or message.get("function_call")
        if calls and message.get("content") is None:
            return {**message, "content": ""}
    return message


def wanted(fields: dict[str, Any]) -> str:
    """The tool that `tool_choice` wants called; "" if the answer may be words."""
    tools, choice = fields.get("tools"), fields.get("tool_choice")
    names = [_name(tool) for tool in (tools if isinstance(tools, list) else ())]
    if choice == "required":
        return next(filter(None, names), "")
    return _name(choice) if _name(choice) in names else ""


def _name(tool: Any) -> str:
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else ""


def prompt_tokens(fields: dict[str, Any]) -> int:
    """The tokens of the messages, and of the tools beside them."""
    messages = fields["messages"]
    parts = [message.get(part) for message in messages for part in PARTS]
    parts.append(fields.get("tools"))
    return tokens.PER_MESSAGE * len(messages) + sum(map(_tokens, parts))


def _tokens(value: Any) -> int:
    if value is None:
        return 0
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return tokens.count(text)


def call(id_: str, name: str, arguments: str) -> dict[str, Any]:
    """A tool call as OpenAI writes it."""
    function = {"name": name, "arguments": arguments}
    return {"id": id_, "type": "function", "function": function}
