"""What a call is priced by, as JSON that outlives a release. Amounts in microcredits.

A job keeps it until it is over: a tariff changed meanwhile changes nothing. Stored
names change only with a new version; `tests/billing` keeps an example of each.
"""

from __future__ import annotations

from typing import Any, TypeVar

from billing.pricing.rates import Rates, Units
from billing.values import fields

VERSION = 1

P = TypeVar("P", Rates, Units)


def to_json(value: Rates | Units) -> dict[str, Any]:
    """A row of the tariff, or how much a call uses, for `from_json`."""
    return {"v": VERSION, **fields.to_json(value)}


def from_json(kind: type[P], values: object) -> P:
    """Raises: ValueError, which says why, for what `to_json` has not made."""
    found = fields.Fields(values)
    found.version(VERSION)
    return found.rest(kind)
