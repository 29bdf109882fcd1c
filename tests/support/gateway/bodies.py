"""Request bodies drawn from the contract's schemas, right ones and spoilt ones."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from proxy.upstream import schemas

TEXTS = (
    "",
    " ",
    "Say hi.",
    "Grüße \u202e \u0000 \U0001f600",
    "a" * 5_000,
    "' OR 1=1 --",
    "../../etc/passwd",
    "{{7*7}} ${x} %s",
)
ADDRESSES = (
    "https://example.com/a.png",
    "data:image/png;base64,iVBORw0KGgo=",
    "http://127.0.0.1:1/x",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "https://",
    "not an address",
)
_JUNK: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**30,
    -(10**400),
    1e308,
    "",
    "x",
    [],
    {},
    [[[]]],
    {"a": {"b": []}},
    "\ud800",
    "NaN",
    ["x"] * 50,
)
# What SDKs and hopeful people send beside the contract's own fields.
EXTRAS = (
    "api_base",
    "api_key",
    "base_url",
    "callback_url",
    "encoding_format",
    "max_completion_tokens",
    "n",
    "organization",
    "price",
    "response_format",
    "seed",
    "stream",
    "stream_format",
    "stream_options",
    "tools",
    "user",
)


def junk(chance: random.Random) -> Any:
    """A value of its own: it may be spoilt in its turn."""
    return copy.deepcopy(chance.choice(_JUNK))


def drawn(schema: str, chance: random.Random) -> dict[str, Any]:
    """A body that the contract allows."""
    found: dict[str, Any] = _value({"$ref": f"#/components/schemas/{schema}"}, chance)
    return found


def _value(schema: dict[str, Any], chance: random.Random) -> Any:
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return _value(schemas.components()["schemas"][name], chance)
    if choices := schema.get("oneOf"):
        return _value(chance.choice(choices), chance)
    if schema.get("nullable") and chance.random() < 0.2:
        return None
    if choices := schema.get("enum"):
        return chance.choice(choices)
    match schema["type"]:
        case "object":
            required = schema.get("required", ())
            return {
                name: _value(inner, chance)
                for name, inner in schema.get("properties", {}).items()
                if name in required or chance.random() < 0.4
            }
        case "array":
            count = chance.choice((1, 1, 2, 3))
            return [_value(schema["items"], chance) for _ in range(count)]
        case "integer" | "number":
            least, most = schema.get("minimum", 1), schema.get("maximum", 500)
            if schema["type"] == "integer":
                return chance.randint(least, most)
            return round(chance.uniform(least, most), 2)
        case "boolean":
            return chance.random() < 0.5
        case _:
            is_address = schema.get("format") == "uri"
            return chance.choice(ADDRESSES[:2] if is_address else TEXTS[2:5])


def spoilt(body: dict[str, Any], chance: random.Random) -> bytes:
    """The body with one to three things wrong with it, as it goes over the wire."""
    body = copy.deepcopy(body)
    for _ in range(chance.randint(1, 3)):
        _spoil(body, chance)
    return _spoil_text(json.dumps(body).encode(), chance)


def _spoil(body: dict[str, Any], chance: random.Random) -> None:
    """One field gone, of another type, or one too many; anywhere in the tree."""
    tree: Any = body
    while True:
        names = list(tree) if isinstance(tree, dict) else range(len(tree))
        if not names:
            return
        name = chance.choice(names)
        if isinstance(tree[name], dict | list) and tree[name] and chance.random() < 0.6:
            tree = tree[name]
            continue
        match chance.randrange(4):
            case 0:
                del tree[name]
            case 1:
                tree[name] = junk(chance)
            case 2:
                tree[name] = chance.choice((*TEXTS, *ADDRESSES))
            case _ if isinstance(tree, dict):
                tree[chance.choice(EXTRAS)] = junk(chance)
        return


def _spoil_text(content: bytes, chance: random.Random) -> bytes:
    match chance.randrange(12):
        case 0:
            return content[: chance.randrange(len(content))]
        case 1:
            return content.replace(b":", b": NaN,", 1)
        case 2:
            return content[:-1] + b', "model": "a", "model": "b"}'
        case 3:
            return b'{"a":' * 20_000 + b"1" + b"}" * 20_000
        case 4:
            return content + b"\xff\xfe"
        case 5:
            return content.replace(b'"', b"\xc3\x28", 1)
        case _:
            return content


# --- calls that become chats ---

ITEMS: tuple[Any, ...] = (
    {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "a", "output": "wet"},
    {"type": "item_reference", "id": "msg_" + "0" * 32 + "_0"},
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {"role": "user", "content": [{"type": "input_image", "image_url": "file:///"}]},
    {"type": "computer_call"},
    {"role": 7},
    None,
)
RESPONSES_OWN: tuple[tuple[str, Any], ...] = (
    ("instructions", "Be short."),
    ("previous_response_id", "resp_1"),
    ("store", False),
    ("text", {"format": {"type": "json_schema", "name": "n", "schema": {}}}),
    ("text", {"format": 7}),
    ("reasoning", {"effort": "low", "summary": 7}),
    ("include", [7, {}]),
    ("tools", [{"type": "function", "name": "f"}, {"type": "web_search"}]),
    ("tool_choice", {"type": "allowed_tools", "mode": "auto", "tools": [{}]}),
    ("max_output_tokens", 20),
    ("metadata", "x"),
)


def unchanged(body: dict[str, Any], _chance: random.Random) -> dict[str, Any]:
    return body


def _as_response(body: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A chat's body as one of a response, sometimes with what is OpenAI's alone."""
    shared = ("model", "stream", "temperature", "web_search")
    found = {name: body[name] for name in shared if name in body}
    found["input"] = [*body.get("messages", ())]
    if chance.random() < 0.3:
        found["input"].append(chance.choice(ITEMS))
    if chance.random() < 0.3:
        name, value = chance.choice(RESPONSES_OWN)
        found[name] = value
    return found


def _as_completion(body: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    shared = ("model", "stream", "temperature", "max_tokens")
    found = {name: body[name] for name in shared if name in body}
    return {**found, "prompt": chance.choice(["Hi", ["Hi"], [1, 2], "", None])}


RESHAPED = {"responses": _as_response, "completions": _as_completion}
