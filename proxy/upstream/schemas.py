"""The upstream's contract: its OpenAPI schemas, compiled once, as data.

Everything that checks a body against the contract does it through here: the gateway
(by `contract`, which turns a violation into a refusal) before it spends anything, and
the sandbox that stands in for the upstream.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

import jsonschema_rs
import orjson

DOCUMENT = Path(__file__).resolve().parent / "openapi.json"


class Violation(Exception):
    """A document breaks its schema; `field` is the place, "" for the whole of it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field


@cache
def components() -> dict[str, Any]:
    """The document's components, for references to resolve."""
    found: dict[str, Any] = orjson.loads(DOCUMENT.read_bytes())["components"]
    return found


@cache
def validator(schema: str) -> jsonschema_rs.Validator:
    """The compiled validator of one of the contract's schemas.

    Values are masked: a refusal must not repeat a whole prompt.
    """
    return jsonschema_rs.validator_for(
        {"$ref": f"#/components/schemas/{schema}", "components": components()},
        mask="the value",
    )


def properties(schema: str) -> dict[str, Any]:
    """The fields of one of the contract's schemas, by name."""
    found: dict[str, Any] = components()["schemas"][schema]["properties"]
    return found


@cache
def defaults(schema: str) -> dict[str, Any]:
    """What the contract says the upstream takes, for each field that may be absent."""
    fields = properties(schema)
    return {
        name: fields[name]["default"] for name in fields if "default" in fields[name]
    }


def validate(document: Any, schema: str) -> None:
    """Raises: Violation for the first field against the schema."""
    try:
        validator(schema).validate(document)
    except jsonschema_rs.ValidationError as error:
        field = ".".join(str(step) for step in error.instance_path)
        raise Violation(field, _problem(error)) from None
    except ValueError as error:  # an integer too large for any schema
        raise Violation("", str(error)) from None


def whole_number(value: Any, *, most: int) -> int | None:
    """A value that counts something, from 1 to `most`; None if it does not.

    JSON Schema calls 3.0 an integer, and so do clients.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or value != value // 1 or not 1 <= value <= most:
        return None
    return int(value)


def _problem(error: jsonschema_rs.ValidationError) -> str:
    """The validator's message; where there is a choice, with every choice in it."""
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Enum):
        options = cast("list[object]", error.kind.options)
        return "must be one of " + ", ".join(str(option) for option in options) + "."
    return error.message
