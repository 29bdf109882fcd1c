"""Stripe's form encoding: `a[b][0][c]=d` as nested dictionaries and lists, and what
parameters may be."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from proxy.payments_sandbox.errors import Refusal, invalid

FIELDS_MAX = 500
DEPTH_MAX = 6
TEXT_MAX = 5000
AMOUNT_MAX = 99_999_999
AMOUNT_MIN = 50
NAME = re.compile(r"[A-Za-z0-9_]{1,60}")
CURRENCIES = {"usd", "eur", "gbp", "chf", "sek", "dkk", "nok", "pln", "jpy", "cad"}
WITHOUT_CENTS = {"jpy"}


def decode(encoded: str) -> dict[str, Any]:
    """Raises: Refusal (400) for what is no form, or too much of one."""
    tree: dict[str, Any] = {}
    try:
        pairs = parse_qsl(
            encoded, keep_blank_values=True, strict_parsing=bool(encoded),
            max_num_fields=FIELDS_MAX, errors="strict",
        )  # fmt: skip
    except ValueError:
        raise invalid(None, "Invalid form encoding.") from None
    for name, value in pairs:
        _plant(tree, name, value)
    grown: dict[str, Any] = _with_lists(tree)
    return grown


def _plant(tree: dict[str, Any], name: str, value: str) -> None:
    head, *rest = name.replace("]", "").split("[")
    keys = [head, *rest]
    is_right = all(
        NAME.fullmatch(key) or (key == "" and key is keys[-1]) for key in keys
    )
    if len(keys) > DEPTH_MAX or not head or not is_right or len(value) > TEXT_MAX:
        raise invalid(head or None, f"Invalid parameter: {name[:80]}")
    node = tree
    for key in keys[:-1]:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise invalid(head, f"Invalid parameter: {name[:80]}")
    last = keys[-1] or str(len(node))
    if last in node:
        raise invalid(head, f"Given twice: {name[:80]}")
    node[last] = value


def _with_lists(node: Any) -> Any:
    """Dictionaries whose keys are 0, 1, 2 … are lists."""
    if not isinstance(node, dict):
        return node
    grown = {key: _with_lists(value) for key, value in node.items()}
    if grown and list(grown) == [str(number) for number in range(len(grown))]:
        return list(grown.values())
    return grown


def allow(params: dict[str, Any], names: set[str]) -> None:
    """Raises: Refusal (400) for a parameter that does not exist."""
    for name in params.keys() - names - {"expand", "metadata"}:
        message = f"Received unknown parameter: {name}"
        raise invalid(name, message, "parameter_unknown")


def required(params: dict[str, Any], name: str) -> Any:
    if params.get(name) in (None, "", {}):
        raise lacking(name)
    return params[name]


def lacking(name: str) -> Refusal:
    return invalid(name, f"Missing required param: {name}.", "parameter_missing")


def text(params: dict[str, Any], name: str) -> str | None:
    value = params.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(name, "Invalid string.", "parameter_invalid_string")
    return value or None


def integer(params: dict[str, Any], name: str) -> int | None:
    value = text(params, name)
    if value is None:
        return None
    if not re.fullmatch(r"-?[0-9]{1,15}", value):
        message = f"Invalid integer: {value[:40]}"
        raise invalid(name, message, "parameter_invalid_integer")
    return int(value)


def flag(params: dict[str, Any], name: str) -> bool:
    value = text(params, name) or "false"
    if value not in {"true", "false"}:
        raise invalid(name, f"Invalid boolean: {value[:40]}")
    return value == "true"


def choice(
    params: dict[str, Any], name: str, values: set[str], usual: str | None = None
) -> str | None:
    value = text(params, name) or usual
    if value is not None and value not in values:
        message = f"Invalid {name}: must be one of {', '.join(sorted(values))}"
        raise invalid(name, message)
    return value


def mapping(params: dict[str, Any], name: str) -> dict[str, Any]:
    value = params.get(name) or {}
    if not isinstance(value, dict):
        raise invalid(name, "Invalid object.")
    return value


def sequence(params: dict[str, Any], name: str) -> list[Any]:
    value = params.get(name) or []
    if not isinstance(value, list):
        raise invalid(name, "Invalid array.")
    return value


def metadata(params: dict[str, Any], before: dict[str, str] | None = None) -> Any:
    """An empty value removes its key, as at Stripe."""
    given = mapping(params, "metadata")
    if any(not isinstance(value, str) or len(value) > 500 for value in given.values()):
        raise invalid("metadata", "Metadata values are strings of 500 characters.")
    return {key: value for key, value in {**(before or {}), **given}.items() if value}


def amount(params: dict[str, Any], name: str = "amount") -> int:
    """Minor units. Raises: Refusal (400)."""
    required(params, name)
    value = integer(params, name) or 0
    if value < AMOUNT_MIN:
        raise invalid(name, "Amount is below the minimum.", "amount_too_small")
    if value > AMOUNT_MAX:
        raise invalid(name, "Amount has too many digits.", "amount_too_large")
    return value


def currency(params: dict[str, Any]) -> str:
    value = str(required(params, "currency")).lower()
    if value not in CURRENCIES:
        raise invalid("currency", f"Invalid currency: {value[:20]}")
    return value


def money(minor: int, code: str) -> str:
    """`1,234.50 EUR`"""
    if code in WITHOUT_CENTS:
        return f"{minor:,} {code.upper()}"
    return f"{minor // 100:,}.{minor % 100:02} {code.upper()}"
