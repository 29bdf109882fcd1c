"""How the sandbox reads a request: as the upstream's contract describes it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal
from typing import Any

import orjson

from proxy.sandbox import errors
from proxy.upstream import schemas


def parse(
    body: bytes, schema: str, simplify: Callable[[Any], Any] = lambda document: document
) -> dict[str, Any]:
    """The body as the schema's object, with the contract's defaults filled in.

    `simplify` makes the copy that the schema checks, for what it does not know.

    Raises: Refusal (400) naming the first field that breaks the contract.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise errors.invalid("body", "not valid JSON") from None
    if isinstance(document, dict):
        for name, field in schemas.properties(schema).items():
            # OpenAPI 3.0's word, which JSON Schema does not know: null says the same
            # as absence.
            if field.get("nullable") and document.get(name, 0) is None:
                del document[name]
    try:
        schemas.validate(simplify(document), schema)
    except schemas.Violation as error:
        raise errors.invalid(error.field or "body", str(error)) from None
    return {**schemas.defaults(schema), **document}


def millis(seconds: float | Decimal) -> int:
    """Seconds as JSON wrote them, in milliseconds and rounded up."""
    return int((Decimal(str(seconds)) * 1000).to_integral_value(ROUND_CEILING))


def whole_number(
    fields: dict[str, Any], field: str, *, default: int = 1, largest: int
) -> int:
    """A field that counts something; `default` where neither side names a value.

    Raises: Refusal (400) unless 1 ≤ value ≤ largest.
    """
    if fields.get(field) is None:
        return default
    value = schemas.whole_number(fields[field], most=largest)
    if value is None:
        raise errors.invalid(field, f"must be a whole number from 1 to {largest}")
    return value
