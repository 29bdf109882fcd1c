"""Whether an answer keeps to the JSON schema that its caller sent.

Not by the library that checks the contract: a stranger's schema may hold references to
files, patterns and trees that take it for ever. Looked at are types, required and
other properties, `enum`, `const`, items, local references and alternatives: so many of
all of these for one answer, a few milliseconds of work. What is not understood, or too
long to look at, counts as kept to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Of a schema, a member, a name, a value to compare with, 16 characters of a reference.
STEPS_MAX = 10_000
DEPTH_MAX = 100


class TooLong(Exception):
    """More than is looked at."""


class Look:
    """At the texts of one answer, all together within the bound."""

    def __init__(self, schema: Any) -> None:
        self._root, self._left = schema, STEPS_MAX

    def keeps_to(self, value: Any) -> bool:
        """False only where the value surely breaks the schema."""
        try:
            return self._fits(value, self._root, 0)
        except TooLong:
            return True

    def _spend(self, steps: int) -> None:
        """Before the work is done. Raises: TooLong."""
        self._left -= steps
        if self._left < 0:
            raise TooLong

    def _fits(self, value: Any, schema: Any, depth: int) -> bool:
        """Raises: TooLong."""
        self._spend(1)
        if depth > DEPTH_MAX:
            raise TooLong
        if not isinstance(schema, dict):
            return schema is not False
        if isinstance(schema.get("$ref"), str):
            self._spend(len(schema["$ref"]) // 16)
            return self._fits(value, self._named(schema["$ref"]), depth + 1)
        return (
            self._has_type(value, schema.get("type"))
            and self._is_one_of(value, schema)
            and self._fits_one(value, schema, depth)
            and self._fits_members(value, schema, depth)
            and self._fits_items(value, schema, depth)
        )

    def _named(self, reference: str) -> Any:
        """What a local reference names; anything, where it names nothing."""
        found = self._root
        if not reference.startswith("#"):
            return True
        for part in reference[1:].split("/")[1:]:
            part = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or part not in found:
                return True
            found = found[part]
        return found

    def _fits_one(self, value: Any, schema: dict[str, Any], depth: int) -> bool:
        for word in ("anyOf", "oneOf"):
            found = schema.get(word)
            found = found if isinstance(found, list) else []
            if found and not any(self._fits(value, each, depth + 1) for each in found):
                return False
        every = schema.get("allOf")
        return not isinstance(every, list) or all(
            self._fits(value, each, depth + 1) for each in every
        )

    def _fits_members(self, value: Any, schema: dict[str, Any], depth: int) -> bool:
        if not isinstance(value, dict):
            return True
        required, known = schema.get("required"), schema.get("properties")
        self._spend(len(required) if isinstance(required, list) else 0)
        self._spend(len(known) if isinstance(known, dict) else 0)
        if isinstance(required, list) and any(
            isinstance(name, str) and name not in value for name in required
        ):
            return False
        known = known if isinstance(known, dict) else {}
        self._spend(len(value))
        if schema.get("additionalProperties") is False and not (
            "patternProperties" in schema or value.keys() <= known.keys()
        ):
            return False
        return all(
            self._fits(value[name], each, depth + 1)
            for name, each in known.items()
            if name in value
        )

    def _fits_items(self, value: Any, schema: dict[str, Any], depth: int) -> bool:
        items = schema.get("items")
        # After `prefixItems` it is about the rest only.
        if not isinstance(value, list) or items is None or "prefixItems" in schema:
            return True
        if isinstance(items, list):  # of older drafts: one for each place
            return True
        return all(self._fits(each, items, depth + 1) for each in value)

    def _has_type(self, value: Any, named: Any) -> bool:
        names = named if isinstance(named, list) else [named]
        self._spend(len(names))
        known = [TYPES.get(name) for name in names if isinstance(name, str)]
        return not known or any(look is None or look(value) for look in known)

    def _is_one_of(self, value: Any, schema: dict[str, Any]) -> bool:
        if "const" in schema and not _may_equal(value, schema["const"]):
            return False
        found = schema.get("enum")
        if not isinstance(found, list):
            return True
        self._spend(len(found))
        return any(_may_equal(value, each) for each in found)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": _is_number,
    "integer": lambda value: _is_number(value) and value == value // 1,
}


def _may_equal(one: Any, other: Any) -> bool:
    """As JSON, where true is not 1; of lists and objects it is not looked at."""
    if isinstance(other, list | dict):
        return True
    return one == other and isinstance(one, bool) == isinstance(other, bool)
