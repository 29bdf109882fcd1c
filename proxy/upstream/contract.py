"""The gateway's checks of a body against the upstream's contract.

The schemas themselves are in `schemas`; here a violation becomes a refusal.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import jiter
import orjson

from proxy.http import refusals
from proxy.upstream import complexity, schemas

MODEL_LENGTH_MAX = 200
ADDRESS_LENGTH_MAX = 8192
DATA_URI_HEAD_MAX = 200


def check_work(content: bytes) -> int:
    """How many keys and elements a body has, about; before it is parsed.

    Raises: GatewayError (413) where they are too many.
    """
    try:
        return complexity.check(content)
    except complexity.TooMuch as much:
        raise refusals.too_complex(str(much)) from None


def read(content: bytes) -> dict[str, Any]:
    """A request body as a JSON object; of a long one `check_work` comes first.

    Stricter than JSON parsers are by default, because two parsers that disagree
    about a body could price one request and forward another: no duplicate keys, no
    NaN, no depth bombs.

    Raises: GatewayError (400).
    """
    try:
        document = jiter.from_json(
            content, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys"
        )
    except ValueError as error:
        raise refusals.invalid(f"The body is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise refusals.invalid("The body must be a JSON object.")
    return document


def check(
    document: dict[str, Any], schema: str, *, beside: Collection[str] = ()
) -> None:
    """Check a body; `beside` are fields that are allowed beside the contract's.

    Raises: GatewayError (400) that names the first field that breaks the contract, or
    that is not in it: the upstream might charge for such a field (`num_images`) or send
    the call elsewhere (`api_base`), and no bound would cover it.
    """
    try:
        schemas.validate(document, schema)
    except schemas.Violation as error:
        where = f"{error.field}: " if error.field else ""
        raise refusals.invalid(f"{where}{error}", param=error.field or None) from None
    known = schemas.properties(schema)
    for field in document:
        if field not in known and field not in beside:
            raise refusals.unsupported_parameter(
                f"{field[:64]} is not a parameter of this call. It takes: "
                f"{', '.join([*known, *beside])}.",
                param=field[:64],
            )


def check_address(value: Any, *, param: str, kind: str = "") -> None:
    """An address that the upstream, never this gateway, will fetch: http(s), or a
    data URI, of `kind` ("image/") if one is given.

    Raises: GatewayError (400) for anything else.
    """
    if isinstance(value, str):
        scheme = value[:8].lower()
        if scheme.startswith(("http://", "https://")):
            if len(value) <= ADDRESS_LENGTH_MAX and value.isprintable():
                return
        elif scheme.startswith("data:") and _is_data_uri(value, kind):
            return
    raise refusals.invalid(
        f"{param} must be an http or https URL of at most {ADDRESS_LENGTH_MAX} "
        f"characters, or a data URI (data:{kind}…;base64,…).",
        param=param,
    )


def _is_data_uri(value: str, kind: str) -> bool:
    head, comma, _ = value[:DATA_URI_HEAD_MAX].partition(",")
    head = head.lower()
    return bool(comma) and head.startswith(f"data:{kind}") and head.endswith(";base64")


def write(document: dict[str, Any]) -> bytes:
    """The body as it is forwarded: our own JSON, never the client's bytes.

    Raises: GatewayError (400) for a number that not every JSON parser can hold.
    """
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError as error:
        raise refusals.invalid(f"The body cannot be forwarded: {error}") from None


def model_name(document: dict[str, Any]) -> str:
    """The model's name, which has to fit into the ledger.

    Raises: GatewayError (400).
    """
    name: str = document["model"]
    if not name or len(name) > MODEL_LENGTH_MAX or not name.isprintable():
        raise refusals.invalid(
            f"model must be 1 to {MODEL_LENGTH_MAX} printable characters.",
            param="model",
        )
    return name


def whole_number(
    document: dict[str, Any], field: str, *, default: int, most: int
) -> int:
    """A field that counts something, from 1 to `most`.

    Raises: GatewayError (400).
    """
    if document.get(field) is None:
        return default
    value = schemas.whole_number(document[field], most=most)
    if value is None:
        raise refusals.invalid(
            f"{field} must be a whole number from 1 to {most}.", param=field
        )
    return value
