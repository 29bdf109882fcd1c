"""Whether an answer keeps to the JSON schema that its caller sent.

Not by the library that checks the contract: a stranger's schema may hold references to
files, patterns and trees that take it for ever. Looked at are types, required and
other properties, `enum`, `const`, items, local references and alternatives, so many in
all; what is not understood, or too long to look at, counts as kept to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

STEPS_MAX = 20_000
DEPTH_MAX = 100


class TooLong(Exception):
    """More than is looked at."""


def keeps_to(value: Any, schema: Any) -> bool:
    """False only where the value surely breaks the schema."""
    try:
        return _Look(schema).fits(value, schema, 0)
    except TooLong:
        return True


class _Look:
    def __init__(self, root: Any) -> None:
        self._root, self._left = root, STEPS_MAX

    def fits(self, value: Any, schema: Any, depth: int) -> bool:
        """Raises: TooLong."""
        self._left -= 1
        if self._left < 0 or depth > DEPTH_MAX:
            raise TooLong
        if not isinstance(schema, dict):
            return schema is not False
        if isinstance(schema.get("$ref"), str):
            return self.fits(value, self._named(schema["$ref"]), depth + 1)
        return (
            _has_type(value, schema.get("type"))
            and _is_one_of(value, schema)
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
            if found and not any(self.fits(value, each, depth + 1) for each in found):
                return False
        every = schema.get("allOf")
        return not isinstance(every, list) or all(
            self.fits(value, each, depth + 1) for each in every
        )

    def _fits_members(self, value: Any, schema: dict[str, Any], depth: int) -> bool:
        if not isinstance(value, dict):
            return True
        required, known = schema.get("required"), schema.get("properties")
        if isinstance(required, list) and any(
            isinstance(name, str) and name not in value for name in required
        ):
            return False
        known = known if isinstance(known, dict) else {}
        if schema.get("additionalProperties") is False and not (
            "patternProperties" in schema or value.keys() <= known.keys()
        ):
            return False
        return all(
            self.fits(value[name], each, depth + 1)
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
        return all(self.fits(each, items, depth + 1) for each in value)


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


def _has_type(value: Any, named: Any) -> bool:
    names = named if isinstance(named, list) else [named]
    known = [TYPES.get(name) for name in names if isinstance(name, str)]
    return not known or any(look is None or look(value) for look in known)


def _is_one_of(value: Any, schema: dict[str, Any]) -> bool:
    if "const" in schema and not _equal(value, schema["const"]):
        return False
    found = schema.get("enum")
    return not isinstance(found, list) or any(_equal(value, each) for each in found)


def _equal(one: Any, other: Any) -> bool:
    """JSON's: true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
