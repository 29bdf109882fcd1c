"""The only place where the sandbox reads the upstream's contract."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal
from functools import cache
from typing import Any

import orjson

from proxy.sandbox import errors
from proxy.upstream import schemas


def parse(
    body: bytes, schema: str, seen: Callable[[Any], Any] = lambda document: document
) -> dict[str, Any]:
    """The body as the schema's object; `seen` is what the schema sees of it.

    Raises: InvalidRequest naming the first field that breaks the contract.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise errors.InvalidRequest("body", "not valid JSON") from None
    if isinstance(document, dict):
        for field in nullable(schema) & document.keys():
            if document[field] is None:
                del document[field]
    try:
        schemas.validate(seen(document), schema)
    except schemas.Violation as error:
        raise errors.InvalidRequest(error.field or "body", str(error)) from None
    fields: dict[str, Any] = document
    return fields


@cache
def nullable(schema: str) -> frozenset[str]:
    """The fields that may be null, which then says the same as their absence.

    The document says so in OpenAPI 3.0's word, which JSON Schema does not know.
    """
    fields = schemas.properties(schema)
    return frozenset(name for name in fields if fields[name].get("nullable"))


def millis(seconds: float) -> int:
    """Seconds as JSON wrote them, in milliseconds and rounded up."""
    return whole_millis(Decimal(str(seconds)))


def whole_millis(seconds: Decimal) -> int:
    return int((seconds * 1000).to_integral_value(ROUND_CEILING))


def whole_number(
    body: dict[str, Any], field: str, *, default: int, largest: int
) -> int:
    """A field that counts something; `default` where it is absent.

    Raises: InvalidRequest unless 1 ≤ value ≤ largest.
    """
    if body.get(field) is None:
        return default
    value = schemas.whole_number(body[field], most=largest)
    if value is None:
        raise errors.InvalidRequest(
            field, f"must be a whole number from 1 to {largest}"
        )
    return value
