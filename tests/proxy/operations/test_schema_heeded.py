"""Answers beside the schemas that were asked for; schemas that would take for ever."""

from __future__ import annotations

import time
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.calls.schema_heeded import Look

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


def keeps_to(value: Any, schema: Any) -> bool:
    return Look(schema).keeps_to(value)


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


SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from("ab")
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=6,
)
KINDS = ("object", "array", "string", "boolean", "null", "number", "integer")
SCHEMAS = st.recursive(
    st.fixed_dictionaries({"type": st.sampled_from(KINDS)})
    | st.fixed_dictionaries({"enum": st.lists(SCALARS, max_size=3, min_size=1)}),
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


LONG = "/" + "a" * 2_000
MANY: list[tuple[Any, Any]] = [
    ({"items": {"enum": list(range(50_000))}}, list(range(49_000, 50_000)) * 20),
    ({"items": {"required": ["a"] * 50_000}}, [{"a": 1}] * 20_000),
    ({"items": {"properties": dict.fromkeys(map(str, range(50_000)))}}, [{}] * 20_000),
    ({"items": {"$ref": "#" + LONG * 30}}, [1] * 20_000),
    ({"items": {"type": ["made up"] * 50_000}}, [1] * 20_000),
    ({"items": {"const": [[1] * 20_000]}}, [[[1] * 20_000]] * 5_000),
    ({"items": {"additionalProperties": False}}, [dict.fromkeys("abc")] * 20_000),
]


@pytest.mark.parametrize(
    ("schema", "value"),
    MANY,
    ids=["enum", "required", "properties", "reference", "types", "const", "members"],
)
def test_no_word_of_a_schema_makes_a_process_stand_still(
    schema: Any, value: Any
) -> None:
    """20,000 items beside a list of 50,000 values took a minute, for all callers."""
    began = time.process_time()
    for _ in range(5):
        keeps_to(value, schema)
    assert time.process_time() - began < 1


@given(schema=SCHEMAS, value=VALUES)
@settings(max_examples=100, deadline=None)
def test_it_judges_as_the_library_does(schema: dict[str, Any], value: Any) -> None:
    assert keeps_to(value, schema) == jsonschema_rs.is_valid(schema, value)
