"""The tariff in force, read from the operator's rows."""

from __future__ import annotations

from billing.models import Tariff
from billing.pricing.rates import Rates


def current() -> tuple[Rates, ...]:
    """Every row of the tariff."""
    names = list(Rates.__dataclass_fields__)
    return tuple(Rates(*row) for row in Tariff.objects.values_list(*names))


def operations() -> frozenset[str]:
    """What the tariff has prices for: nothing else can be called."""
    return frozenset(Tariff.objects.values_list("operation", flat=True))
