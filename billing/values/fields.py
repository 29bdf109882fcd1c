"""What we store as JSON, and read again field by field: nothing is taken on trust."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import Field, fields
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

D = TypeVar("D", bound="DataclassInstance")


def to_json(value: DataclassInstance) -> dict[str, Any]:
    """A dataclass's fields by their stored names, for `Fields.rest`."""
    return {
        _stored_name(field): _plain(getattr(value, field.name))
        for field in fields(value)
    }


def _stored_name(field: Field[Any]) -> str:
    """The field's own, without the unit that all our amounts have, unless the field
    says another: stored rows outlive a renamed field."""
    name: str = field.metadata.get("stored", field.name.removesuffix("_micros"))
    return name


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


class Fields:
    """A JSON object's fields, each taken once, by name and exact type."""

    def __init__(self, values: object) -> None:
        if type(values) is not dict:
            raise ValueError("not an object")
        self._values: dict[str, Any] = dict(values)

    @classmethod
    def parse(cls, text: bytes) -> Fields:
        """Raises: ValueError when it is no JSON object."""
        try:
            return cls(json.loads(text))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error

    def version(self, known: int) -> None:
        """Raises: ValueError for any version but the one that is known."""
        if (found := self.take("v", int)) != known:
            raise ValueError(f"version {found}, and only {known} is known here")

    def take(self, name: str, kind: Any) -> Any:
        """Raises: ValueError when the field is missing, or of another type: neither
        is null an amount, nor true a number."""
        value = self._values.pop(name, ...)
        if not _is_a(kind, value):
            raise ValueError(f"{name}: {getattr(kind, '__name__', kind)} expected")
        return tuple(value) if get_origin(kind) is tuple else value

    def rest(self, kind: type[D]) -> D:
        """The dataclass whose fields are all that is left. Raises: ValueError."""
        types = get_type_hints(kind)
        found = {
            field.name: self.take(_stored_name(field), types[field.name])
            for field in fields(kind)
        }
        self.end()
        return kind(**found)

    def end(self) -> None:
        """Raises: ValueError when a field is left that nobody knows."""
        if self._values:
            raise ValueError(f"unknown: {', '.join(sorted(self._values))}")


def _is_a(kind: Any, value: Any) -> bool:
    of, parts = get_origin(kind), get_args(kind)
    if of is UnionType:
        return any(_is_a(part, value) for part in parts)
    if of is Mapping:
        return type(value) is dict and all(_is_a(parts[1], v) for v in value.values())
    if of is tuple:
        return type(value) is list and all(_is_a(parts[0], each) for each in value)
    return type(value) is kind
