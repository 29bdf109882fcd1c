"""Forms say everything as text: the same values as the contract's types."""

from __future__ import annotations

import re
from typing import Any

from proxy.upstream import contract

NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)


def typed(form: dict[str, Any], schema: str) -> dict[str, Any]:
    """The form with its texts as the contract's types, where they can be read as such.

    What cannot stays text, for `contract.check` to refuse by name.
    """
    fields = contract.properties(schema)
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
