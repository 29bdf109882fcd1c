"""Stacked bars: every amount is drawn once, the boxes meet, the rest is one colour."""

from __future__ import annotations

import re

from portal.pages.parts import stacks
from portal.pages.parts.stacks import Bar, Box


def hundredths(text: str) -> int:
    whole, _, rest = text.removesuffix("%").partition(".")
    return int(whole) * 100 + int(rest.ljust(2, "0") or 0)


def edges(box: Box) -> tuple[int, int]:
    return hundredths(box.y), hundredths(box.y) + hundredths(box.height)


def test_boxes_of_a_bar_meet_and_stand_on_the_base() -> None:
    bars = [
        Bar("1 Oct", {"a": 1_000_001, "b": 333_333, "c": 7}),
        Bar("2 Oct", {"a": 1}),
    ]
    chart = stacks.stacked("Spend", bars)
    first, second, *_ = chart.steps[0].boxes
    assert edges(first)[1] == stacks.FULL
    assert edges(first)[0] == edges(second)[1]
    assert chart.top >= 1_333_341 > chart.top // 2
    assert [box.look for box in chart.steps[1].boxes] == [1]
    assert hundredths(chart.steps[1].boxes[0].height) == stacks.LEAST


def test_five_series_and_the_others_together() -> None:
    amounts = {name: 100 - number for number, name in enumerate("abcdefgh")}
    chart = stacks.stacked("Spend", [Bar("now", amounts)])
    assert [each.name for each in chart.series] == [*"abcde", stacks.OTHER]
    assert sum(each.total for each in chart.series) == sum(amounts.values())
    assert [box.look for box in chart.steps[0].boxes] == [1, 2, 3, 4, 5, 0]
    heights = sum(hundredths(box.height) for box in chart.steps[0].boxes)
    assert heights == sum(amounts.values()) * stacks.FULL // chart.top


def test_the_period_before_is_an_outline_and_a_far_limit_is_left_out() -> None:
    bars = [Bar("now", {"a": 50}, is_partial=True)]
    chart = stacks.stacked("Spend", bars, previous=[100], limit=80)
    outline = chart.steps[0].outline
    assert outline is not None
    assert edges(outline) == (0, stacks.FULL)
    assert chart.steps[0].hatch is not None
    assert chart.limit_y == "20%"
    assert stacks.stacked("Spend", bars, limit=1000).limit_y == ""


def test_nothing_at_all_is_drawn_as_nothing() -> None:
    assert stacks.stacked("Spend", []).steps == []
    assert stacks.stacked("Spend", [Bar("now", {})]).steps[0].boxes == []
    assert stacks.sparkline("14 days", [0, 0]).path == ""


def test_a_sparkline_shows_the_least() -> None:
    path = stacks.sparkline("14 days", [0, 1, 1_000_000, 500_000]).path
    bars = re.findall(r"M(\d+) 10000v-(\d+)h(\d+)v\2z", path)
    assert [int(left) for left, _, _ in bars] == [2500, 5000, 7500]
    assert [int(height) for _, height, _ in bars] == [
        *(10 * stacks.LEAST, stacks.FULL),
        stacks.FULL // 2,
    ]
    assert {int(width) for _, _, width in bars} == {1750}
