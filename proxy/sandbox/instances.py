"""JSON as a schema asks for it: structured answers, and what a tool is called with."""

from __future__ import annotations

from typing import Any

DEPTH_MAX = 32  # a schema may contain itself
WORD = "sandbox"
SIMPLE: dict[str, Any] = {"string": WORD, "boolean": True, "null": None}


def of_schema(schema: Any, text: str = WORD) -> Any:
    """A value of this JSON schema, as small as it may be; `text` where a text without
    further rules is asked for. What the schema does not say is as good as any."""
    definitions: dict[str, Any] = {}
    if isinstance(schema, dict):
        for name in ("$defs", "definitions"):
            if isinstance(schema.get(name), dict):
                definitions |= {f"#/{name}/{key}": v for key, v in schema[name].items()}
    return _value(schema, definitions, text, DEPTH_MAX)


def _value(schema: Any, known: dict[str, Any], text: str, depth: int) -> Any:
    if not isinstance(schema, dict) or not depth:
        return None
    if "$ref" in schema:
        return _value(known.get(str(schema["$ref"])), known, text, depth - 1)
    for name in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(name), list) and schema[name]:
            return _value(schema[name][0], known, text, depth - 1)
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    match kind:
        case "string":
            return text
        case "integer" | "number":
            least = schema.get("minimum", 1)
            return least if isinstance(least, int | float) else 1
        case "array":
            count = schema.get("minItems", 1)
            item = _value(schema.get("items"), known, text, depth - 1)
            return [item] * min(count if isinstance(count, int) else 1, DEPTH_MAX)
        case "object" | None:
            fields = schema.get("properties")
            fields = fields if isinstance(fields, dict) else {}
            return {
                name: _value(field, known, text, depth - 1)
                for name, field in fields.items()
                if name in schema.get("required", fields)
            }
    return SIMPLE.get(str(kind))
