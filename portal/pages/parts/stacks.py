"""Geometry of stacked bars and sparklines, in hundredths of a percent of the drawing,
so that patterns are not stretched with it. Integers only: it draws money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from portal.pages.parts.charts import round_top

SERIES_MAX = 5  # and all others together
OTHER = "other"
FULL = 10_000
LEAST = 80  # what is not nothing can be seen


@dataclass(frozen=True, slots=True)
class Bar:
    """One step of time. `amounts` are by series, in microcredits or whatever the chart
    counts; `url` leads to what is in it, `words` say when it is."""

    words: str
    amounts: Mapping[str, int]
    url: str = ""
    is_partial: bool = False  # it still runs


class Box(NamedTuple):
    """A rectangle; `look` numbers its colour and pattern from 1, 0 is for others."""

    look: int
    x: str
    y: str
    width: str
    height: str


class Step(NamedTuple):
    """One bar, placed."""

    bar: Bar
    total: int
    boxes: list[Box]
    outline: Box | None  # of the previous period
    hatch: Box | None  # over what still runs


class Series(NamedTuple):
    """What one colour stands for."""

    name: str
    look: int
    total: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Ready for `components/stacks.html`."""

    title: str
    top: int
    series: list[Series]
    steps: list[Step]
    limit_y: str = ""  # of the dashed line
    limit: int = 0
    has_previous: bool = False
    dates: list[str] = field(default_factory=list)
    unit: str = "credits"  # of its amounts, which are microcredits then; or a plural

    @property
    def middle(self) -> int:
        return self.top // 2


def stacked(
    title: str,
    bars: Sequence[Bar],
    *,
    previous: Sequence[int] = (),
    limit: int = 0,
    unit: str = "credits",
) -> Chart:
    """The largest series keep their names; those beyond `SERIES_MAX` are one.
    `previous` has a total for each bar, `limit` is drawn unless it dwarfs them all."""
    series = _series(bars)
    tops = [sum(bar.amounts.values()) for bar in bars] + list(previous)
    most = max(tops, default=0)
    is_limit_drawn = 0 < limit <= 4 * most
    top = round_top(max(most, limit if is_limit_drawn else 0))
    looks = {each.name: each.look for each in series}
    steps = [
        _step(bar, index, len(bars), top, looks, previous)
        for index, bar in enumerate(bars)
    ]
    middle = len(bars) // 2
    dates = (
        [bars[at].words for at in sorted({0, middle, len(bars) - 1})] if bars else []
    )
    limit_y = percent(FULL - limit * FULL // top) if is_limit_drawn else ""
    return Chart(title, top, series, steps, limit_y, limit, bool(previous), dates, unit)


def _series(bars: Sequence[Bar]) -> list[Series]:
    """The largest first, then by name, so that colours do not change places by chance;
    what is called other is last."""
    sums: dict[str, int] = {}
    for bar in bars:
        for name, amount in bar.amounts.items():
            sums[name] = sums.get(name, 0) + amount
    rest = sums.pop(OTHER, 0)
    ranked = sorted(sums, key=lambda name: (-sums[name], name))
    named = [
        Series(name, look, sums[name])
        for look, name in enumerate(ranked[:SERIES_MAX], start=1)
    ]
    rest += sum(sums[name] for name in ranked[SERIES_MAX:])
    is_needed = rest or len(ranked) > SERIES_MAX
    return [*named, Series(OTHER, 0, rest)] if is_needed else named


def _step(
    bar: Bar,
    index: int,
    count: int,
    top: int,
    looks: Mapping[str, int],
    previous: Sequence[int],
) -> Step:
    slot = FULL // count
    left, width = index * FULL // count + slot * 15 // 100, slot * 70 // 100
    total = sum(bar.amounts.values())
    boxes = list(_boxes(bar, total, top, looks, left, width))
    outline = None
    if index < len(previous) and previous[index]:
        height = _height(previous[index], top)
        wide, start = slot * 86 // 100, index * FULL // count + slot * 7 // 100
        outline = _box(0, start, FULL - height, wide, height)
    hatch = None
    if bar.is_partial and total:
        height = _height(total, top)
        hatch = _box(0, left, FULL - height, width, height)
    return Step(bar, total, boxes, outline, hatch)


def _boxes(
    bar: Bar, total: int, top: int, looks: Mapping[str, int], left: int, width: int
) -> Iterator[Box]:
    """From the base up: edges are rounded, not heights, so that they meet exactly."""
    by_look: dict[int, int] = {}
    for name, amount in bar.amounts.items():
        look = looks.get(name, 0)
        by_look[look] = by_look.get(look, 0) + amount
    whole, below = _height(total, top), 0
    for look in sorted(by_look, key=lambda look: look or SERIES_MAX + 1):
        start = whole * below // total if total else 0
        below += by_look[look]
        end = whole * below // total if total else 0
        if end > start:
            yield _box(look, left, FULL - end, width, end - start)


def _height(amount: int, top: int) -> int:
    return max(amount * FULL // top, LEAST) if amount else 0


def _box(look: int, x: int, y: int, width: int, height: int) -> Box:
    return Box(look, percent(x), percent(y), percent(width), percent(height))


def percent(hundredths: int) -> str:
    """4210 → “42.1%”."""
    whole, rest = divmod(hundredths, 100)
    return (f"{whole}.{rest:02d}".rstrip("0").rstrip(".")) + "%"


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A few small bars for `components/sparkline.html`; the words say what they are.
    `path` draws them all, in a square of FULL units: a list shows hundreds of bars, and
    an element for each took a fifth of its page's CPU."""

    words: str
    path: str


def sparkline(words: str, amounts: Sequence[int]) -> Sparkline:
    most, count = max(amounts, default=0), max(len(amounts), 1)
    width = FULL // count * 70 // 100
    bars = [
        f"M{index * FULL // count} {FULL}v-{height}h{width}v{height}z"
        for index, amount in enumerate(amounts)
        if (height := max(amount * FULL // most, 10 * LEAST) if amount else 0)
    ]
    return Sparkline(words, "".join(bars))
