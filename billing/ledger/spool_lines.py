"""A line of the spool: one order as JSON, as billing's README shows it. Amounts in
microcredits.

Its names belong to the files that other releases have written: a field of an order
may be renamed, a name in here only with a new version. `tests/billing` keeps a line.
"""

from __future__ import annotations

import json
import re
from typing import Any

from billing.models.usage import Basis
from billing.values.fields import Fields, to_json
from billing.values.orders import (
    Doubt,
    Release,
    Resolution,
    Settle,
    Usage,
    Withdraw,
)

VERSION = 1
ID = re.compile(r"[0-9a-f]{32}")


def encoded(order: Resolution) -> bytes:
    """The line, with its end."""
    line: dict[str, Any] = {
        "v": VERSION,
        "hold": order.hold_id,
        "account": order.account_id,
        "reason": order.reason,
    }
    match order:
        case Settle(usage=usage):
            line |= {"order": "settle", "usage": to_json(usage)}
        case Release(usage=unproven):
            used = to_json(unproven) if unproven else None
            line |= {"order": "release", "usage": used}
        case Doubt(only_if_due=only_if_due, dead_lease_id=lease):
            line |= {"order": "doubt", "only_if_due": only_if_due, "dead_lease": lease}
        case Withdraw():
            line |= {"order": "withdraw"}
    return json.dumps(line).encode() + b"\n"


def decoded(line: bytes) -> Resolution:
    """Raises: ValueError, which says why, for what `encoded` has not written."""
    fields = Fields.parse(line)
    fields.version(VERSION)
    kind, reason = fields.take("order", str), fields.take("reason", str)
    whose = _id(fields.take("hold", str)), fields.take("account", int)
    order: Resolution
    match kind:
        case "settle":
            order = Settle(*whose, _usage(fields.take("usage", dict)), reason)
        case "release":
            used = fields.take("usage", dict | None)
            order = Release(*whose, reason, None if used is None else _usage(used))
        case "doubt":
            only_if_due = fields.take("only_if_due", bool)
            lease = fields.take("dead_lease", str | None)
            lease_id = None if lease is None else _id(lease)
            order = Doubt(*whose, reason, only_if_due, lease_id)
        case "withdraw":
            order = Withdraw(*whose, reason)
        case _:
            raise ValueError(f"not an order that ends a hold: {kind[:40]!r}")
    fields.end()
    return order


def _id(text: str) -> str:
    if not ID.fullmatch(text):
        raise ValueError(f"not an id: {text[:40]!r}")
    return text


def _usage(values: dict[str, Any]) -> Usage:
    usage = Fields(values).rest(Usage)
    Basis(usage.basis)  # or it raises ValueError
    return usage
