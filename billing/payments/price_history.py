"""What a credit cost when: CREDIT_PRICE is a setting, and what was used before it was
changed is worth what it cost then.

The worker notes each change with its next sweep. What was before the first note is
taken to have cost the same.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction

from billing.ledger import dialect
from billing.models import CreditPrice
from billing.payments import prices
from billing.reports.periods import Range

logger = logging.getLogger(__name__)

EVER = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
PLACES = 8  # that a price for one credit has at most


@dataclass(frozen=True, slots=True)
class Price:
    """Of one credit: so many 10^-8 of the currency's unit."""

    currency: str
    each: int


def current() -> Price:
    """By the settings of this process."""
    found = prices.PRICE.fullmatch(settings.CREDIT_PRICE)
    assert found is not None, "checked when Django starts"
    whole, fraction = found.groups(default="")
    return Price(prices.currency(), int(f"{whole}{fraction:0<{PLACES}}"))


@transaction.atomic
def note() -> bool:
    """Write down what it costs from now on, where that is new; whether it was. May run
    twice at once."""
    price = current()
    last = CreditPrice.objects.select_for_update().order_by("-valid_from").first()
    if last is None:
        first = CreditPrice(currency=price.currency, each=price.each, valid_from=EVER)
        CreditPrice.objects.bulk_create([first], ignore_conflicts=True)
        return True
    if Price(last.currency, last.each) == price:
        return False
    begins = max(dialect.now(), last.valid_from + TICK)
    logger.warning(
        "a credit costs %d x 10^-8 %s from now on", price.each, price.currency
    )
    CreditPrice.objects.create(
        currency=price.currency, each=price.each, valid_from=begins
    )
    return True


def over(span: Range) -> list[tuple[Range, Price]]:
    """The range, cut where the price changed."""
    rows = list(
        CreditPrice.objects.filter(valid_from__lt=span.end).order_by("valid_from")
    )
    if not rows:
        return [(span, current())]
    found = []
    ends = [row.valid_from for row in rows[1:]] + [span.end]
    for row, until in zip(rows, ends, strict=True):
        part = Range(max(row.valid_from, span.start), until)
        if part.start < part.end:
            found.append((part, Price(row.currency, row.each)))
    return found
