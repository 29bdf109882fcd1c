"""What the sandbox makes of a schema fits it, and is as small as it may be."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.sandbox import instances

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "Hi"),
        ({"enum": ["b", "c"]}, "b"),
        ({"const": 7}, 7),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": ["number", "null"]}, 1),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        (
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"type": "string"}},
                "required": ["a"],
                "$defs": {"A": {"type": "string"}},
            },
            {"a": "Hi"},
        ),
        ("no schema", None),
    ],
)
def test_an_instance_fits(schema: Any, value: Any) -> None:
    assert instances.of_schema(schema, "Hi") == value


def test_a_schema_that_contains_itself_ends() -> None:
    schema: Any = {"$ref": "#/$defs/A", "$defs": {}}
    schema["$defs"]["A"] = {"properties": {"a": {"$ref": "#/$defs/A"}}}
    assert isinstance(instances.of_schema(schema), dict)
