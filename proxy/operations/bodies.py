"""What the bodies of images, sound and videos have in common."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from proxy.http import refusals
from proxy.upstream import contract, schemas

# Fields for the caller's bookkeeping, which do not change the answer.
BOOKKEEPING = frozenset({"user", "metadata", "safety_identifier"})
NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)
YES, NO = ("true", "1", "yes"), ("false", "0", "no")


def meaningful(
    document: Mapping[str, Any], dropped: Collection[str] = ()
) -> dict[str, Any]:
    """The fields to forward: no bookkeeping, none of `dropped`, and no nulls, which
    mean "your default" in every SDK. A form says an object field by field, as in
    `metadata[topic]`."""
    unwanted = BOOKKEEPING.union(dropped)
    return {
        name: value
        for name, value in document.items()
        if value is not None and name.partition("[")[0] not in unwanted
    }


def typed(form: dict[str, Any], schema: str) -> dict[str, Any]:
    """The form with its texts as the contract's types, where they can be read as such.

    What cannot stays text, for `contract.check` to refuse by name.
    """
    fields = schemas.properties(schema)
    return {
        name: _as_type(value, fields.get(name, {}).get("type"))
        for name, value in form.items()
    }


def _as_type(value: Any, kind: str | None) -> Any:
    if kind == "array":
        return value if isinstance(value, list) else [value]
    if not isinstance(value, str):
        return value
    if kind == "boolean":
        return {"true": True, "1": True, "false": False, "0": False}.get(
            value.strip().lower(), value
        )
    if kind in ("integer", "number") and NUMBER.fullmatch(value.strip()):
        return int(value) if "." not in value else float(value)
    return value


def ignored(document: Mapping[str, Any], names: Collection[str]) -> tuple[str, ...]:
    """Which of `names`, fields the upstream does not have, were sent with more than a
    default: the reply's `x-ignored-parameters` lists them."""
    sent = {
        name.partition("[")[0]
        for name, value in document.items()
        if value is not None and value != "auto"
    }
    return tuple(name for name in names if name in sent)


def refuse_streaming(document: Mapping[str, Any]) -> None:
    """An SDK that asked for events would read the JSON answer as an empty iterator,
    without an error, after paying for it. Raises: GatewayError (400)."""
    for name in ("stream", "partial_images"):
        # A form says "false".
        if document.get(name) not in (None, False, 0, "false", "0", ""):
            raise refusals.unsupported_parameter(
                f"{name} is not supported here: this answers in one piece.",
                param=name,
            )


def one_of(
    document: Mapping[str, Any], name: str, choices: Collection[str]
) -> str | None:
    """The field `name`; None where it is absent or null.

    Raises: GatewayError (400) for anything but one of `choices`.
    """
    value: str | None = document.get(name)
    if value is not None and value not in [*choices]:
        raise refusals.invalid(
            f"{name} must be one of {', '.join(choices)}.", param=name
        )
    return value


def fill(body: dict[str, Any], schema: str, *names: str) -> None:
    """Write the contract's default into the body where a field is absent, so that the
    upstream cannot apply another one that costs more than was held."""
    for name in names:
        body.setdefault(name, schemas.defaults(schema)[name])


def traits(body: Mapping[str, Any], schema: str, *names: str) -> tuple[str, ...]:
    """A word for each field of `names` that asks for more than the contract's default:
    its choice, or its name where it is anything else."""
    usual = schemas.defaults(schema)
    asked = [name for name in names if body.get(name) not in (None, usual.get(name))]
    choices = {name: schemas.properties(schema)[name].get("enum") for name in asked}
    return tuple(str(body[name]) if choices[name] else name for name in asked)


def check_addresses(body: Mapping[str, Any], *names: str) -> None:
    """Raises: GatewayError (400) for a field of `names` that holds no address."""
    for name in names:
        if name in body:
            contract.check_address(body[name], param=name)


def wants_job(query: Mapping[str, str], *, default: bool) -> bool:
    """Whether `?async=` asks for a job. Raises: GatewayError (400)."""
    said = query.get("async")
    if said is None:
        return default
    if said.lower() not in (*YES, *NO):
        raise refusals.invalid("async must be true or false.", param="async")
    return said.lower() in YES


def media_ms(body: Mapping[str, Any]) -> int:
    """`duration_seconds` in milliseconds, rounded up."""
    return math.ceil(Decimal(str(body["duration_seconds"])) * 1000)
