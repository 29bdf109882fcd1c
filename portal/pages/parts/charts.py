"""Geometry of the bar chart. Integers only: it draws money."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from billing.values.orders import CREDIT

SLOT, BAR, GAP, HEIGHT = 20, 14, 3, 1000
ROUND = (10, 12, 16, 20, 30, 40, 60, 80, 100)
LEAST = 12  # a day with any spend at all can be seen


class Bar(NamedTuple):
    """One day, placed."""

    day: date
    charged_micros: int
    requests: int
    x: int
    y: int
    height: int
    is_last: bool


class Chart(NamedTuple):
    """Bars, the size of their drawing, and what its top and middle line stand for."""

    bars: list[Bar]
    width: int
    top_micros: int

    @property
    def middle_micros(self) -> int:
        return self.top_micros // 2


def bars(days: Sequence[tuple[date, int, int]]) -> Chart:
    """A chart of (day, charged in micros, requests), oldest first."""
    top = round_top(max((charged for _, charged, _ in days), default=0))
    placed = []
    for index, (day, charged, requests) in enumerate(days):
        height = max(charged * HEIGHT // top, LEAST) if charged else 0
        is_last = index == len(days) - 1
        x = index * SLOT + GAP
        placed.append(Bar(day, charged, requests, x, HEIGHT - height, height, is_last))
    return Chart(placed, len(days) * SLOT, top)


def round_top(most_micros: int) -> int:
    """The least number not below with a round half, for the middle line's label."""
    if not most_micros:
        return CREDIT
    power: int = 10 ** max(len(str(most_micros)) - 2, 0)
    return next(number * power for number in ROUND if most_micros <= number * power)
