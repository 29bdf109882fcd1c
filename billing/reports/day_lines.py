"""What was used, day by day: a line for each day × key × project × holder × operation ×
model that used anything. However many there are, they are read in pieces.

Their sum is what was charged in the range (`usage.py` says what that is), because each
line is of the same rows as every other report of usage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from billing.reports.periods import Bucket, Range, day_of, each_bucket
from billing.reports.usage import Chosen, Dimension, Figures, figures

BY = (
    *(Dimension.KEY, Dimension.PROJECT, Dimension.HOLDER),
    *(Dimension.OPERATION, Dimension.MODEL),
)
DAYS_AT_ONCE = 7


@dataclass(frozen=True, slots=True)
class DayLine:
    """A day of the zone, as far as it is in the range, and what was used by whom."""

    day: date
    span: Range
    key_id: int
    project_id: int
    holder_id: int
    operation: str
    model: str
    used: Figures


def day_lines(chosen: Chosen, span: Range, zone: str) -> Iterator[DayLine]:
    """In the order of days; inside a day by ids and names."""
    days: list[Range] = []
    for slot in each_bucket(span, Bucket.DAY, zone):
        days.append(Range(slot.start, slot.end))
        if len(days) == DAYS_AT_ONCE:
            yield from _lines(chosen, days, zone)
            days = []
    yield from _lines(chosen, days, zone)


def _lines(chosen: Chosen, days: list[Range], zone: str) -> Iterator[DayLine]:
    found = figures(chosen, days, BY)
    for number, subjects in sorted(found):
        key, project, holder, operation, model = subjects
        yield DayLine(
            day_of(zone, days[number].start),
            days[number],
            int(key),
            int(project),
            int(holder),
            str(operation),
            str(model),
            found[number, subjects],
        )
