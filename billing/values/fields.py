"""What we stored as JSON, read again field by field: nothing is taken on trust."""

from __future__ import annotations

import json
from typing import Any, TypeVar

T = TypeVar("T")


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

    def take(self, name: str, kind: type[T]) -> T:
        """Raises: ValueError when the field is missing, or of another type: neither
        is null an amount, nor true a number."""
        value = self._values.pop(name, None)
        if type(value) is not kind:
            raise ValueError(f"{name}: {kind.__name__} expected")
        return value

    def optional(self, name: str, kind: type[T]) -> T | None:
        """None for null. Raises: ValueError as `take` does."""
        if self._values.get(name, ...) is not None:
            return self.take(name, kind)
        del self._values[name]
        return None

    def texts(self, name: str) -> tuple[str, ...]:
        """Raises: ValueError for anything but a list of texts."""
        values = self.take(name, list)
        if not all(type(value) is str for value in values):
            raise ValueError(f"{name}: texts expected")
        return tuple(values)

    def numbers(self, name: str) -> dict[str, int]:
        """Raises: ValueError for anything but an object of whole numbers."""
        values = self.take(name, dict)
        if not all(type(value) is int for value in values.values()):
            raise ValueError(f"{name}: whole numbers expected")
        return values

    def end(self) -> None:
        """Raises: ValueError when a field is left that nobody knows."""
        if self._values:
            raise ValueError(f"unknown: {', '.join(sorted(self._values))}")
