"""The price table of media: whole credits, rounded up once, at least 1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sandbox import contract, prices


@pytest.mark.parametrize(
    ("tier", "size", "upscale", "count", "credits"),
    [
        ("fast", "1024x1024", "", 1, 4),
        ("standard", "1024x1024", "", 3, 30),
        ("premium", "1024x1024", "", 1, 25),
        ("premium", "512x512", "", 1, 13),
        ("premium", "512x512", "", 10, 130),
        ("premium", "512x512", "2x", 2, 50),
        ("standard", "1792x1024", "", 1, 20),
        ("standard", "1024x1792", "4x", 1, 80),
    ],
)
def test_images(tier: str, size: str, upscale: str, count: int, credits: int) -> None:
    breakdown = prices.images(tier, size=size, upscale=upscale, count=count)
    assert sum(breakdown.values()) == credits
    assert ("upscale" in breakdown) == bool(upscale)


@pytest.mark.parametrize(
    ("millis", "resolution", "fps", "credits"),
    [
        (5000, "720p", 30, 100),
        (5000, "1080p", 30, 200),
        (5000, "4k", 60, 600),
        (1001, "720p", 30, 21),
        (1001, "720p", 60, 31),
    ],
)
def test_videos(millis: int, resolution: str, fps: int, credits: int) -> None:
    breakdown = prices.video(millis, resolution=resolution, fps=fps)
    assert sum(breakdown.values()) == credits


@pytest.mark.parametrize(
    ("breakdown", "credits"),
    [
        (prices.image_edit("1024x1024"), 12),
        (prices.image_edit("512x512"), 6),
        (prices.music(1000), 2),
        (prices.music(1001), 3),
        (prices.speech(1), 1),
        (prices.speech(1000), 15),
        (prices.speech(1001), 16),
        (prices.transcription(1), 1),
        (prices.transcription(60_000), 6),
        (prices.transcription(60_001), 7),
    ],
)
def test_the_others(breakdown: dict[str, int], credits: int) -> None:
    assert sum(breakdown.values()) == credits


@given(
    st.integers(1000, 10_000),
    st.sampled_from(list(prices.RESOLUTION)),
    st.sampled_from(list(prices.FPS_HALVES)),
)
def test_every_part_of_a_breakdown_is_a_price(
    millis: int, resolution: str, fps: int
) -> None:
    breakdown = prices.video(millis, resolution=resolution, fps=fps)
    assert all(credits >= 1 for credits in breakdown.values())


@pytest.mark.parametrize(
    ("seconds", "millis"), [(5, 5000), (1.1, 1100), (2.0001, 2001), (4.35, 4350)]
)
def test_seconds_are_read_as_they_were_written(seconds: float, millis: int) -> None:
    assert contract.millis(seconds) == millis
