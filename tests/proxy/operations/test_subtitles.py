"""Transcripts as SRT, WebVTT and OpenAI's JSON, whatever the upstream sent."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.operations import subtitles

pytestmark = pytest.mark.once

MINUTE = 60.0
TIME = r"(\d{2,}):([0-5]\d):([0-5]\d)[.,](\d{3})"
CUE = re.compile(rf"{TIME} --> {TIME}")

moments = st.one_of(
    st.floats(), st.integers(), st.none(), st.booleans(), st.floats(0, 90_000)
)
texts = st.one_of(
    st.text(), st.text(alphabet=" ->\n\r\t\x00\x0b\x85\u2028&<ab"), st.none()
)
segments = st.lists(
    st.fixed_dictionaries(
        {"start": moments, "end": moments, "text": texts}, optional={"speaker": texts}
    ),
    max_size=6,
)
documents = st.fixed_dictionaries(
    {"segments": segments}, optional={"text": texts, "duration": moments}
)


def transcript(*parts: tuple[float, float, str], **fields: Any) -> subtitles.Transcript:
    found = [{"start": start, "end": end, "text": text} for start, end, text in parts]
    return subtitles.read({"segments": found, **fields})


def milliseconds(hours: str, minutes: str, seconds: str, rest: str) -> int:
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(rest)


def times(line: str) -> tuple[int, int]:
    found = CUE.fullmatch(line)
    assert found, line
    return milliseconds(*found.groups()[:4]), milliseconds(*found.groups()[4:])


def test_srt_numbers_its_cues_and_uses_commas() -> None:
    said = transcript((0, 1.5, " Hello"), (1.5, MINUTE + 2.25, "wide\n\nworld "))

    assert subtitles.srt(said) == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello\n\n"
        "2\n00:00:01,500 --> 00:01:02,250\nwide\nworld\n"
    )


def test_vtt_has_a_head_and_uses_points() -> None:
    said = transcript((0, 1.5, "Tom & <Jerry>"))

    assert subtitles.vtt(said) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nTom &amp; &lt;Jerry&gt;\n"
    )


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (59.9994, "00:00:59,999"),
        (59.9996, "00:01:00,000"),
        (3599.9999, "01:00:00,000"),
        (100 * 3600, "100:00:00,000"),
        (0.1 + 0.2, "00:00:00,300"),
    ],
)
def test_times_are_rounded_as_a_whole(seconds: float, shown: str) -> None:
    assert f"--> {shown}\n" in subtitles.srt(transcript((0, seconds, "x")))


def test_an_arrow_in_the_text_is_no_cue() -> None:
    said = transcript((0, 1, "1\n00:00:05,000 ---> 00:00:06,000\n\n--> x"))

    assert subtitles.srt(said).count("-->") == subtitles.vtt(said).count("-->") == 1


def test_cues_are_in_order_and_last_a_moment() -> None:
    said = transcript((5, 4, "later"), (1, 1, "sooner"), (7, 8, " \n\t"))

    assert [line for line in subtitles.vtt(said).splitlines() if "-->" in line] == [
        "00:00:01.000 --> 00:00:01.001",
        "00:00:05.000 --> 00:00:05.001",
    ]


@pytest.mark.parametrize(
    ("document", "end"),
    [
        ({"duration": 2.5}, "00:00:02,500"),
        ({"words": [{"word": "Hi", "start": 0.5, "end": 0.75}]}, "00:00:00,750"),
        ({}, "00:00:01,000"),
        ({"duration": float("nan"), "segments": "none"}, "00:00:01,000"),
    ],
)
def test_without_segments_the_text_is_one_cue_over_all(
    document: dict[str, Any], end: str
) -> None:
    said = subtitles.read({"text": "Hello world", **document})

    assert subtitles.srt(said) == f"1\n00:00:00,000 --> {end}\nHello world\n"


def test_silence_has_no_cues() -> None:
    silence = subtitles.read({"text": "", "segments": [], "duration": 3})

    assert (subtitles.srt(silence), subtitles.vtt(silence)) == ("", "WEBVTT\n")


def test_speakers_are_named() -> None:
    part = {"start": 0, "end": 1, "text": "Hello", "speaker": "A <b>"}
    said = subtitles.read({"segments": [part]})

    assert "\nA <b>: Hello\n" in subtitles.srt(said)
    assert "\n<v A &lt;b&gt;>Hello\n" in subtitles.vtt(said)
    assert subtitles.diarized(said, task="transcribe")["segments"] == [
        {
            "type": "transcript.text.segment",
            "id": "seg_0",
            "start": 0.0,
            "end": 1.0,
            "speaker": "A <b>",
            "text": "Hello",
        }
    ]


def test_a_missing_text_is_that_of_the_segments() -> None:
    assert transcript((0, 1, " Hello"), (1, 2, " world")).text == "Hello world"


@pytest.mark.parametrize("junk", [None, 7, "x", {}, [None, 7, {}, {"start": 0}]])
def test_junk_is_an_empty_transcript(junk: Any) -> None:
    document = dict.fromkeys(("text", "segments", "words", "language"), junk)
    said = subtitles.read({**document, "text": None, "language": 7})

    assert said == subtitles.Transcript(text="")


@pytest.mark.parametrize("duration", [0, -1, True, "7", float("inf"), 1e7])
def test_an_impossible_duration_is_none(duration: Any) -> None:
    assert subtitles.read({"duration": duration}).length_ms is None
    assert transcript((0, 1.5, "x"), duration=duration).length_ms == 1500


def test_a_duration_no_parser_holds_is_none() -> None:
    assert subtitles.read({"duration": 10**400}).length_ms is None


def test_an_arrow_made_of_a_name_is_no_cue() -> None:
    segment = {"start": 0, "end": 1, "text": "x"}
    for name in ("--", "a--"):
        said = subtitles.read({"segments": [{**segment, "speaker": name}]})
        assert subtitles.vtt(said).count("-->") == subtitles.srt(said).count("-->") == 1


@given(documents)
def test_subtitles_are_well_formed_whatever_was_said(document: dict[str, Any]) -> None:
    said = subtitles.read(document)

    for text, head in ((subtitles.srt(said), 1), (subtitles.vtt(said), 0)):
        # Exactly as players cut it: cues end at blank lines, lines at line feeds.
        blocks = [block.strip("\n").split("\n") for block in text.split("\n\n")]
        cues = blocks[1:] if head == 0 else [block for block in blocks if block != [""]]
        spans = [times(cue[head]) for cue in cues]
        assert all(start < end for start, end in spans)
        assert all(one <= other for (one, _), (other, _) in pairwise(spans))
        assert all(cue[head + 1 :] and all(cue[head + 1 :]) for cue in cues)
        assert text.count("-->") == len(cues)
        if head:
            assert [cue[0] for cue in cues] == [str(n + 1) for n in range(len(cues))]


@given(documents)
def test_json_keeps_every_segment_that_makes_sense(document: dict[str, Any]) -> None:
    said = subtitles.read(document)
    verbose = subtitles.verbose(said, task="transcribe", words=True)

    assert [part["id"] for part in verbose["segments"]] == list(
        range(len(said.segments))
    )
    assert all(part["start"] <= part["end"] for part in verbose["segments"])
    assert verbose["duration"] == (said.length_ms or 0) / 1000
