"""What the tariff says a call may cost at most, as the ledger wants to know it.

The ledger alone knows what such calls have cost (`billing.pricing.lessons`): a call
and a quote tell it the same, and it answers the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from billing.pricing.lessons import Caution, base_micros, shape_of
from billing.pricing.rates import Rates, Units
from billing.values.orders import CREDIT
from proxy.calls.call import Call
from proxy.process.caches import tariff


@dataclass(frozen=True, slots=True)
class Terms:
    """What one call is priced by, and what it has in common with its like."""

    rates: Rates
    caution: Caution
    shape: str

    def tariff_micros(self, units: Units) -> int:
        """The tariff's own bound."""
        return self.rates.cost_micros(units)

    def cautious_micros(self, units: Units) -> int:
        """What to hold while nobody knows; 0 where the tariff is to be believed."""
        return self.caution.micros(self.rates, units)

    def expected_micros(self, units: Units) -> int:
        """What the call is expected to cost at most, for its price to be believed."""
        return base_micros(self.tariff_micros(units), self.cautious_micros(units))


def terms_of(call: Call, rates: Rates) -> Terms:
    """Of a call and the row of the tariff for it."""
    caution = Caution(tariff.dearest(rates), settings.UNPRICED_CREDITS * CREDIT)
    return Terms(rates, caution, shape_of(tariff.mark(rates), call.most, call.traits))
