"""Answers beside the schemas that were asked for; schemas that would take for ever."""

from __future__ import annotations

import time
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.calls.schema_heeded import keeps_to

pytestmark = pytest.mark.once

TREE = {
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#"}}}},
    "$ref": "#/$defs/node",
}
BROKEN: list[tuple[Any, Any]] = [
    ({"type": "object"}, []),
    ({"type": ["string", "null"]}, 1),
    ({"type": "integer"}, True),
    ({"type": "integer"}, 1.5),
    ({"required": ["a"]}, {"b": 1}),
    ({"properties": {"a": {"type": "string"}}}, {"a": 1}),
    ({"properties": {"a": {}}, "additionalProperties": False}, {"b": 1}),
    ({"items": {"enum": ["a", "b"]}}, ["a", "c"]),
    ({"const": 1}, True),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1),
    ({"allOf": [{"type": "object"}, {"required": ["a"]}]}, {}),
    (TREE, {"next": {"next": 1}}),
]
KEPT: list[tuple[Any, Any]] = [
    ({}, 1),
    (True, 1),
    ({"type": "made up"}, 1),
    ({"type": 7, "required": "a", "properties": [], "enum": 1, "anyOf": {}}, {}),
    ({"$ref": "file:///etc/passwd"}, 1),
    ({"$ref": "#/nothing"}, 1),
    ({"type": "integer"}, 1.0),
    ({"items": {"type": "string"}, "prefixItems": [{}]}, [1, "a"]),
    (TREE, {"next": {"next": {}}}),
]


@pytest.mark.parametrize(("schema", "value"), BROKEN)
def test_what_breaks_its_schema(schema: Any, value: Any) -> None:
    assert not keeps_to(value, schema)


@pytest.mark.parametrize(("schema", "value"), KEPT)
def test_what_keeps_to_it_or_cannot_be_judged(schema: Any, value: Any) -> None:
    assert keeps_to(value, schema)


def test_a_schema_that_grows_while_it_is_looked_at_has_an_end() -> None:
    twice = {str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(40)}
    loop = {"$ref": "#"}
    began = time.process_time()
    for schema in ({"$defs": twice, "$ref": "#/$defs/0"}, loop):
        assert keeps_to({"a": 1}, schema)
    assert keeps_to([1] * 10**6, {"items": {"type": "integer"}})
    assert time.process_time() - began < 2


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from("ab"),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=6,
)
KINDS = ("object", "array", "string", "boolean", "null", "number", "integer")
SCHEMAS = st.recursive(
    st.fixed_dictionaries({"type": st.sampled_from(KINDS)})
    | st.fixed_dictionaries({"enum": st.lists(VALUES, max_size=3, min_size=1)}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            "required": st.lists(st.sampled_from("ab"), max_size=2, unique=True),
            "additionalProperties": st.booleans(),
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
        },
    ),
    max_leaves=6,
)


@given(schema=SCHEMAS, value=VALUES)
@settings(max_examples=100, deadline=None)
def test_it_judges_as_the_library_does(schema: dict[str, Any], value: Any) -> None:
    assert keeps_to(value, schema) == jsonschema_rs.is_valid(schema, value)
