"""A transcript in every format that OpenAI's clients ask for.

`read` leaves out what makes no sense in the upstream's answer, so nothing here raises.
Times are whole milliseconds until they are written.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MS = 1000
SECONDS_MAX = 1_000_000  # any later moment is a fault, not a long recording
CUE_MS_LEAST = 1000  # of a text without times
# What OpenAI's models tell of a segment and this upstream does not: clients expect the
# fields, so they are there, without a meaning.
UNKNOWN = {
    "seek": 0,
    "tokens": [],
    "temperature": 0.0,
    "avg_logprob": 0.0,
    "compression_ratio": 0.0,
    "no_speech_prob": 0.0,
}


@dataclass(frozen=True, slots=True)
class Segment:
    """Some words and when they were said."""

    start_ms: int
    end_ms: int  # never before the start
    text: str
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a recording."""

    text: str
    segments: tuple[Segment, ...] = ()
    words: tuple[Segment, ...] = ()
    language: str = ""
    duration_ms: int | None = None  # as the upstream has it

    @property
    def length_ms(self) -> int | None:
        """How long the recording is, or when its last words end; None if unknown."""
        if self.duration_ms:
            return self.duration_ms
        ends = [part.end_ms for part in (*self.segments, *self.words)]
        return max(ends, default=0) or None


def read(document: dict[str, Any]) -> Transcript:
    """The upstream's answer, with its seconds as milliseconds. Left out are parts
    without a text or a start, and times below 0 or above SECONDS_MAX."""
    segments = tuple(_parts(document.get("segments"), "text"))
    text = document.get("text")
    if not isinstance(text, str):
        text = " ".join(segment.text.strip() for segment in segments)
    language = document.get("language")
    return Transcript(
        text=text,
        segments=segments,
        words=tuple(_parts(document.get("words"), "word")),
        language=language if isinstance(language, str) else "",
        duration_ms=_ms(document.get("duration")),
    )


def _parts(found: Any, name: str) -> Iterator[Segment]:
    for part in found if isinstance(found, list) else ():
        if not isinstance(part, dict) or not isinstance(part.get(name), str):
            continue
        start, end = _ms(part.get("start")), _ms(part.get("end"))
        if start is None:
            continue
        speaker = part.get("speaker")
        yield Segment(
            start_ms=start,
            end_ms=max(start, end or 0),
            text=part[name],
            speaker=speaker if isinstance(speaker, str) else "",
        )


def _ms(seconds: Any) -> int | None:
    """Milliseconds of a moment that can be; None for anything else."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    # Neither does NaN compare.
    return round(seconds * MS) if 0 <= seconds <= SECONDS_MAX else None


def srt(transcript: Transcript) -> str:
    """SubRip: numbered cues, and times as `hours:minutes:seconds,milliseconds`."""
    blocks = [
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        f"{cue.speaker + ': ' if cue.speaker else ''}{cue.text}\n"
        for number, cue in enumerate(_cues(transcript), start=1)
    ]
    return "\n".join(blocks)


def vtt(transcript: Transcript) -> str:
    """WebVTT: times as `hours:minutes:seconds.milliseconds`, speakers as voice tags."""
    blocks = ["WEBVTT\n"]
    for cue in _cues(transcript):
        # No dashes at its end: with the tag's own they would be the arrow of a cue.
        speaker = html.escape(cue.speaker, quote=False).rstrip("-")
        voice = f"<v {speaker}>" if speaker else ""
        blocks.append(
            f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n"
            f"{voice}{html.escape(cue.text, quote=False)}\n"
        )
    return "\n".join(blocks)


def _cues(transcript: Transcript) -> list[Segment]:
    """What can be shown, in order, each for at least a millisecond; a transcript
    without times is one cue over the whole recording."""
    spoken = [
        Segment(
            start_ms=segment.start_ms,
            end_ms=max(segment.end_ms, segment.start_ms + 1),
            text=text,
            speaker=_clean(segment.speaker).replace("\n", " "),
        )
        for segment in sorted(transcript.segments, key=lambda part: part.start_ms)
        if (text := _clean(segment.text))
    ]
    if not spoken and (text := _clean(transcript.text)):
        spoken = [Segment(0, transcript.length_ms or CUE_MS_LEAST, text)]
    return spoken


def _clean(text: str) -> str:
    """Text that cannot end its cue or pass for the next one's times."""
    lines = (
        "".join(sign for sign in line if unicodedata.category(sign) != "Cc").strip()
        for line in text.splitlines()
    )
    return "\n".join(line for line in lines if line).replace("-->", "→")


def _clock(ms: int, point: str) -> str:
    """`00:01:02,500`; whole milliseconds, so nothing is ever rounded up to 60."""
    seconds, ms = divmod(ms, MS)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def verbose(transcript: Transcript, *, task: str, words: bool) -> dict[str, Any]:
    """OpenAI's `verbose_json`, with times in seconds. `task` is "transcribe" or
    "translate"; single words are in it only if `words`."""
    shown: dict[str, Any] = {
        "task": task,
        # OpenAI's own word for what a translation is in.
        "language": "english" if task == "translate" else transcript.language,
        "duration": (transcript.length_ms or 0) / MS,
        "text": transcript.text,
        "segments": [
            {"id": number, **_times(segment), "text": segment.text, **UNKNOWN}
            for number, segment in enumerate(transcript.segments)
        ],
    }
    if words:
        shown["words"] = [
            {"word": word.text, **_times(word)} for word in transcript.words
        ]
    return shown


def diarized(transcript: Transcript, *, task: str) -> dict[str, Any]:
    """OpenAI's `diarized_json`, who said what, with times in seconds. `task` as in
    `verbose`."""
    return {
        "task": task,
        "duration": (transcript.length_ms or 0) / MS,
        "text": transcript.text,
        "segments": [
            {
                "type": "transcript.text.segment",
                "id": f"seg_{number}",
                **_times(segment),
                "speaker": segment.speaker,
                "text": segment.text,
            }
            for number, segment in enumerate(transcript.segments)
        ],
    }


def _times(segment: Segment) -> dict[str, Any]:
    return {"start": segment.start_ms / MS, "end": segment.end_ms / MS}
