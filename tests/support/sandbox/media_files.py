"""Readers of media for tests: just enough to see that a file is what it claims."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import httpx

SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Png(NamedTuple):
    width: int
    height: int
    pixels: bytes


def fetch(url: str, content_type: str) -> bytes:
    """A file from the sandbox, without a key."""
    reply = httpx.get(url).raise_for_status()
    assert reply.headers["content-type"] == content_type
    assert reply.headers["content-length"] == str(len(reply.content))
    return reply.content


def png(content: bytes) -> Png:
    """A picture of 8 bits a pixel with a palette; every checksum is looked at."""
    assert content.startswith(SIGNATURE)
    chunks: dict[bytes, bytes] = {}
    place = len(SIGNATURE)
    while place < len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        end = place + 8 + length
        assert struct.unpack_from(">I", content, end) == (
            zlib.crc32(content[place + 4 : end]),
        )
        chunks[kind] = content[place + 8 : end]
        place = end + 4
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    assert len(chunks[b"PLTE"]) == 3 * 256
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert form == [8, 3, 0, 0, 0]
    rows = zlib.decompress(chunks[b"IDAT"])
    assert len(rows) == height * (width + 1)
    assert set(rows[:: width + 1]) == {0}  # no row is filtered
    return Png(width, height, rows)


def wav_millis(content: bytes) -> float:
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        frames = file.readframes(file.getnframes())
        assert len(frames) == 2 * file.getnframes()
        assert any(frames)
        rate: int = file.getframerate()
        return 1000 * len(frames) / 2 / rate


def mp3_millis(content: bytes) -> int:
    """MPEG-1 layer III, 32 kbit/s, 48 kHz, mono: 96 bytes and 24 ms a frame."""
    frames, rest = divmod(len(content), 96)
    assert rest == 0
    heads = {content[at : at + 4] for at in range(0, len(content), 96)}
    assert heads == {b"\xff\xfb\x14\xc0"}
    return frames * 24


def aac_millis(content: bytes) -> float:
    """ADTS frames of 1,024 samples at 48 kHz; each says how long it is."""
    place = frames = 0
    while place < len(content):
        assert content[place : place + 2] == b"\xff\xf1"
        assert content[place + 2] >> 2 & 15 == 3
        length = int.from_bytes(content[place + 3 : place + 6], "big") >> 5 & 0x1FFF
        place += length
        frames += 1
    assert place == len(content)
    return frames * 1024 / 48


def opus_millis(content: bytes) -> float:
    """The end of the last Ogg page, in samples at 48 kHz; sums are looked at."""
    ends = [end for end, _ in ogg_pages(content)]
    packets = [packet for _, packet in ogg_pages(content)]
    assert packets[0].startswith(b"OpusHead\x01\x01")
    assert packets[1].startswith(b"OpusTags")
    assert ends == sorted(ends)
    return ends[-1] / 48


def ogg_pages(content: bytes) -> Iterator[tuple[int, bytes]]:
    place = number = 0
    while place < len(content):
        magic, _, _, end, _, index, told, segments = struct.unpack_from(
            "<4sBBqIIIB", content, place
        )
        assert (magic, index) == (b"OggS", number)
        start = place + 27 + segments
        stop = start + sum(content[place + 27 : start])
        page = content[place : place + 22] + bytes(4) + content[place + 26 : stop]
        assert told == slow_ogg_sum(page)
        yield end, content[start:stop]
        place, number = stop, number + 1


def slow_ogg_sum(content: bytes) -> int:
    """Bit by bit, as Ogg's specification has it."""
    total = 0
    for byte in content:
        total ^= byte << 24
        for _ in range(8):
            total = (total << 1 ^ (0x04C11DB7 if total >> 31 else 0)) & 0xFFFF_FFFF
    return total


def mp4_boxes(content: bytes) -> dict[bytes, bytes]:
    """The boxes on one level."""
    boxes: dict[bytes, bytes] = {}
    place = 0
    while place < len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        assert 8 <= size <= len(content) - place
        boxes[kind] = content[place + 8 : place + size]
        place += size
    return boxes


def mp4_box(content: bytes, *path: bytes) -> bytes:
    for kind in path:
        content = mp4_boxes(content)[kind]
    return content
