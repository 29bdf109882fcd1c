"""Tools: the contract does not name them, SDKs send them; called where told to."""

from __future__ import annotations

from typing import Any

import orjson

from proxy.sandbox import tokens

RESULTS = ("tool", "function")
ARGUMENTS = "{}"  # of every call: what a tool wants is not read


def seen(document: Any) -> Any:
    """The request as the contract's schema can check it: without tools' results, and
    with a text where an assistant only called tools."""
    messages = document.get("messages") if isinstance(document, dict) else None
    if not isinstance(messages, list):
        return document
    return {**document, "messages": [_seen(message) for message in messages]}


def _seen(message: Any) -> Any:
    if isinstance(message, dict):
        if message.get("role") in RESULTS:
            return {**message, "role": "user", "content": ""}
        calls = message.get("tool_calls") or message.get("function_call")
        if calls and message.get("content") is None:
            return {**message, "content": ""}
    return message


def wanted(fields: dict[str, Any]) -> str:
    """The tool that `tool_choice` wants called; "" if it may be words."""
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
    """What the messages come to, and the tools beside them."""
    counted = sum(
        tokens.PER_MESSAGE + _tokens(message.get("content")) + _tokens(calls)
        for message in fields["messages"]
        for calls in [message.get("tool_calls")]
    )
    return counted + _tokens(fields.get("tools"))


def _tokens(value: Any) -> int:
    if value is None:
        return 0
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return tokens.count(text)


def call(id_: str, name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": id_, "type": "function", "function": function}
