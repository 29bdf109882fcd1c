"""What OpenAI's responses take as input, as the messages and tools of a chat.

The items of a conversation become messages: calls of tools are their assistant's, what
tools said follows. What only OpenAI's own servers could do is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.http import refusals
from proxy.http.errors import GatewayError
from proxy.upstream import contract

Document = dict[str, Any]
ROLES = ("user", "assistant", "system", "developer")
TEXTS = ("input_text", "output_text", "text", "summary_text")
# Kinds of tools that the client runs itself.
OWN_TOOLS = ("function", "custom")


def messages_of(instructions: Any, asked: Any) -> list[Document]:
    """The messages of a chat, from `instructions` and `input`.

    Raises: GatewayError (400).
    """
    messages: list[Document] = []
    if instructions is not None:
        if not isinstance(instructions, str):
            raise _invalid("instructions", "must be a text")
        messages.append({"role": "system", "content": instructions})
    if isinstance(asked, str):
        return [*messages, {"role": "user", "content": asked}]
    if not isinstance(asked, list):
        raise _invalid("input", "must be a text or a list of items")
    for number, item in enumerate(asked):
        where = f"input.{number}"
        if not isinstance(item, dict):
            raise _invalid(where, "must be an item, an object")
        kind = item.get("type") or "message"
        take = ITEMS.get(kind) if isinstance(kind, str) else None
        if take is None:
            raise _unsupported(f"{where}.type", f"items of type {kind!r:.60}")
        take(messages, item, where)
    if not messages:
        raise _invalid("input", "must not be empty")
    return messages


# --- items, each appended to the messages before it ---


def _take_message(messages: list[Document], item: Document, where: str) -> None:
    role = item.get("role")
    if role not in ROLES:
        raise _invalid(f"{where}.role", f"must be one of {', '.join(ROLES)}")
    content = _parts(item.get("content"), f"{where}.content")
    last = messages[-1] if messages else {}
    if role == "assistant" and last.get("tool_calls") and last["content"] is None:
        # It spoke and called a tool at once: one message of a chat.
        last["content"] = content
        return
    messages.append({"role": role, "content": content})


def _take_call(messages: list[Document], item: Document, where: str) -> None:
    is_custom = item["type"] == "custom_tool_call"
    given = "input" if is_custom else "arguments"
    for name in ("call_id", "name", given):
        if not isinstance(item.get(name), str):
            raise _invalid(f"{where}.{name}", "must be a text")
    kind = "custom" if is_custom else "function"
    called = {"name": item["name"], given: item[given]}
    call = {"id": item["call_id"], "type": kind, kind: called}
    if not (messages and messages[-1]["role"] == "assistant"):
        messages.append({"role": "assistant", "content": None})
    messages[-1].setdefault("tool_calls", []).append(call)


def _take_result(messages: list[Document], item: Document, where: str) -> None:
    call_id = item.get("call_id")
    if not isinstance(call_id, str):
        raise _invalid(f"{where}.call_id", "must be a text")
    content = _parts(item.get("output"), f"{where}.output")
    messages.append({"role": "tool", "tool_call_id": call_id, "content": content})


def _take_nothing(_messages: list[Document], _item: Document, _where: str) -> None:
    """Thoughts of an earlier answer: an upstream of chats has no place for them."""


def _take_reference(_messages: list[Document], item: Document, where: str) -> None:
    raise refusals.unsupported_parameter(
        f"{where}: the item {item.get('id')!r:.80} is not kept here. Send the item "
        "itself: with store set to false, SDKs do.",
        param=where,
    )


Take = Callable[[list[Document], Document, str], None]
ITEMS: dict[str, Take] = {
    "message": _take_message,
    "function_call": _take_call,
    "custom_tool_call": _take_call,
    "function_call_output": _take_result,
    "custom_tool_call_output": _take_result,
    "reasoning": _take_nothing,
    "item_reference": _take_reference,
}


def _parts(content: Any, where: str) -> str | list[Document]:
    """A text, or the parts of a message as a chat has them."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise _invalid(where, "must be a text or a list of parts")
    return [_part(part, f"{where}.{number}") for number, part in enumerate(content)]


def _part(part: Any, where: str) -> Document:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in TEXTS and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return {"type": "text", "text": part["refusal"]}
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        contract.check_address(part["image_url"], param=where, kind="image/")
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    if kind == "input_image":
        raise _unsupported(
            where, "pictures without an image_url (an address, or a data URI)"
        )
    if kind in TEXTS or not isinstance(kind, str):
        raise _invalid(where, "must be a part: input_text or input_image")
    raise refusals.unsupported_content(
        f"{where}: parts of type {kind[:40]!r} are not supported here; input_text and "
        "input_image are.",
        param=where,
    )


# --- tools ---


def tools_of(tools: Any) -> list[Document]:
    """A chat's tools. Raises: GatewayError (400) for those that OpenAI would run."""
    if not isinstance(tools, list):
        raise _invalid("tools", "must be a list")
    return [_tool(tool, f"tools.{number}") for number, tool in enumerate(tools)]


def _tool(tool: Any, where: str) -> Document:
    if not isinstance(tool, dict):
        raise _invalid(where, "must be a tool, an object")
    kind, name = tool.get("type"), tool.get("name")
    if kind not in OWN_TOOLS:
        raise refusals.unsupported_parameter(
            f"{where}.type: tools of type {kind!r:.60} would be run by OpenAI, and are "
            "not here; function tools, which you run, are. For a search of the web set "
            "web_search to true.",
            param=f"{where}.type",
        )
    if not isinstance(name, str) or not name:
        raise _invalid(f"{where}.name", "must be a text")
    names = ("name", "description", "parameters", "strict", "format")
    found = {key: tool[key] for key in names if tool.get(key) is not None}
    grammar = found.get("format")
    if isinstance(grammar, dict) and grammar.get("type") == "grammar":
        rules = {key: grammar[key] for key in grammar if key != "type"}
        found["format"] = {"type": "grammar", "grammar": rules}
    return {"type": kind, kind: found}


def tool_choice_of(choice: Any) -> Any:
    """A chat's `tool_choice`. Raises: GatewayError (400)."""
    match choice:
        case "none" | "auto" | "required":
            return choice
        case {"type": "function" | "custom" as kind, "name": str(name)}:
            return {"type": kind, kind: {"name": name}}
        case {"type": "allowed_tools", "mode": str(mode), "tools": list(tools)}:
            allowed = [tool_choice_of(tool) for tool in tools]
            chosen = {"mode": mode, "tools": allowed}
            return {"type": "allowed_tools", "allowed_tools": chosen}
    raise _unsupported("tool_choice", f"choices like {choice!r:.80}")


def response_format_of(wanted: Any) -> Document | None:
    """A chat's `response_format`, from `text.format`; None for plain text.

    Raises: GatewayError (400).
    """
    match wanted:
        case {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return {"type": "json_object"}
        case {"type": "json_schema", "schema": dict()}:
            names = ("name", "description", "schema", "strict")
            said = {key: wanted[key] for key in names if wanted.get(key) is not None}
            return {"type": "json_schema", "json_schema": {"name": "answer", **said}}
    raise _invalid(
        "text.format", "must be text, json_object, or json_schema with its schema"
    )


def _invalid(param: str, why: str) -> GatewayError:
    return refusals.invalid(f"{param} {why}.", param=param)


def _unsupported(param: str, what: str) -> GatewayError:
    return refusals.unsupported_parameter(
        f"{param}: {what} are not supported here.", param=param
    )
