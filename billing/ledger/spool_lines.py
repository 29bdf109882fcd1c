"""A line of the spool: one order as JSON, version 1. Amounts in microcredits.

    {"v": 1, "order": "settle" or "release", "hold": id, "account": id,
     "reason": text, "usage": what was used; null only for a release}
    {"v": 1, "order": "doubt", "hold": id, "account": id, "reason": text,
     "only_if_due": true or false, "dead_lease": id or null}

Its names belong to the files that other releases have written: a field of an order
may be renamed, a name in here only with a new version. `tests/billing` keeps a line.
"""

from __future__ import annotations

import json
import re
from typing import Any

from billing.models.usage import Basis
from billing.values.fields import Fields
from billing.values.orders import Doubt, Release, Resolution, Settle, Usage

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
            line |= {"order": "settle", "usage": _usage_json(usage)}
        case Release(usage=unproven):
            used = _usage_json(unproven) if unproven else None
            line |= {"order": "release", "usage": used}
        case Doubt(only_if_due=only_if_due, dead_lease_id=lease):
            line |= {"order": "doubt", "only_if_due": only_if_due, "dead_lease": lease}
    return json.dumps(line).encode() + b"\n"


def decoded(line: bytes) -> Resolution:
    """Raises: ValueError, which says why, for what `encoded` has not written."""
    fields = Fields.parse(line)
    fields.version(VERSION)
    kind = fields.take("order", str)
    hold_id, account_id = _id(fields.take("hold", str)), fields.take("account", int)
    reason = fields.take("reason", str)
    order: Resolution
    match kind:
        case "settle":
            usage = _usage(fields.take("usage", dict))
            order = Settle(hold_id, account_id, usage, reason)
        case "release":
            found = fields.optional("usage", dict)
            unproven = None if found is None else _usage(found)
            order = Release(hold_id, account_id, reason, unproven)
        case "doubt":
            only_if_due = fields.take("only_if_due", bool)
            lease = fields.optional("dead_lease", str)
            lease_id = None if lease is None else _id(lease)
            order = Doubt(hold_id, account_id, reason, only_if_due, lease_id)
        case _:
            raise ValueError(f"not an order that ends a hold: {kind[:40]!r}")
    fields.end()
    return order


def _id(text: str) -> str:
    if not ID.fullmatch(text):
        raise ValueError(f"not an id: {text[:40]!r}")
    return text


def _usage_json(usage: Usage) -> dict[str, Any]:
    return {
        "basis": usage.basis,
        "cost": usage.cost_micros,
        "upstream": usage.upstream_micros,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "components": dict(usage.components),
        "upstream_id": usage.upstream_id,
        "streamed": usage.streamed,
        "duration_ms": usage.duration_ms,
        "flags": list(usage.flags),
    }


def _usage(values: dict[str, Any]) -> Usage:
    fields = Fields(values)
    usage = Usage(
        basis=Basis(fields.take("basis", str)).value,
        cost_micros=fields.take("cost", int),
        upstream_micros=fields.optional("upstream", int),
        prompt_tokens=fields.take("prompt_tokens", int),
        completion_tokens=fields.take("completion_tokens", int),
        components=fields.numbers("components"),
        upstream_id=fields.take("upstream_id", str),
        streamed=fields.take("streamed", bool),
        duration_ms=fields.take("duration_ms", int),
        flags=fields.texts("flags"),
    )
    fields.end()
    return usage
