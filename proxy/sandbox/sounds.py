"""Sounds: WAV with real tones; MP3, AAC and Opus as valid streams of silence.

To compress tones takes an encoder, but a silent frame is the same few bytes every
time. A compressed stream lasts the asked time rounded up to a whole frame.
"""

from __future__ import annotations

import math
import struct
import zlib
from array import array
from collections.abc import Iterator

WAV_RATE = 8000  # samples a second, of 16 bits, one channel
NOTES = (0, 2, 4, 7, 9, 12)  # half tones above the lowest; they go well together
TUNE_NOTES = 8
LOUDNESS = 8000
# MPEG-1 layer III, 48 kHz, mono, 32 kbit/s: its side information, all zero, says
# that the frame has no data. Frames of this kind have 96 bytes and last 24 ms.
MP3_FRAME = b"\xff\xfb\x14\xc0" + bytes(92)
MP3_MILLIS = 24
# AAC-LC, 48 kHz, mono, in ADTS: a header of 7 bytes and a silent block of 1,024
# samples, so three frames last 64 ms.
AAC_BLOCK = b"\x00\xc8\x00\x80\x23\x80"
AAC_FRAME = b"\xff\xf1\x4c\x40\x01\xbf\xfc" + AAC_BLOCK
# Opus: one silent CELT packet of 20 ms; Ogg counts time in samples at 48 kHz.
OPUS_PACKET = b"\xf8\xff\xfe"
OPUS_MILLIS = 20
OPUS_SAMPLES = 960
OPUS_PAGE_PACKETS = 50
OGG_FIRST, OGG_LAST = 2, 4
MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def wav(millis: int, digest: bytes, *, notes_per_second: int) -> bytes:
    """A tune of eight notes, over and over."""
    tune = notes(digest, WAV_RATE // notes_per_second)
    length = millis * WAV_RATE // 1000 * 2
    data = (tune * (length // len(tune) + 1))[:length]
    form = struct.pack("<HHIIHH", 1, 1, WAV_RATE, 2 * WAV_RATE, 2, 16)
    return b"".join(
        (
            b"RIFF" + struct.pack("<I", 36 + length) + b"WAVE",
            b"fmt " + struct.pack("<I", len(form)) + form,
            b"data" + struct.pack("<I", length) + data,
        )
    )


def notes(digest: bytes, length: int) -> bytes:
    """Eight notes of so many samples each; each fades, so that none clicks."""
    samples = array("h")
    for byte in digest[:TUNE_NOTES]:
        hertz = 220 * 2 ** (NOTES[byte % len(NOTES)] / 12)
        step = 2 * math.pi * hertz / WAV_RATE
        samples.extend(
            int(LOUDNESS * (1 - at / length) * math.sin(step * at))
            for at in range(length)
        )
    return struct.pack(f"<{len(samples)}h", *samples)


def mp3(millis: int) -> bytes:
    return MP3_FRAME * -(-millis // MP3_MILLIS)


def aac(millis: int) -> bytes:
    return AAC_FRAME * -(-millis * 3 // 64)


def opus(millis: int, digest: bytes) -> bytes:
    """An Ogg file: two pages of headers, then a page for each second."""
    serial = digest[:4]
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 7) + b"sandbox" + struct.pack("<I", 0)
    return b"".join(
        (
            page(serial, 0, [head], flags=OGG_FIRST),
            page(serial, 1, [tags]),
            *opus_pages(serial, -(-millis // OPUS_MILLIS)),
        )
    )


def opus_pages(serial: bytes, packets: int) -> Iterator[bytes]:
    number, written = 2, 0
    while written < packets:
        count = min(OPUS_PAGE_PACKETS, packets - written)
        written += count
        yield page(
            serial,
            number,
            [OPUS_PACKET] * count,
            samples=written * OPUS_SAMPLES,
            flags=OGG_LAST if written == packets else 0,
        )
        number += 1


def page(
    serial: bytes,
    number: int,
    packets: list[bytes],
    *,
    samples: int = 0,
    flags: int = 0,
) -> bytes:
    """One Ogg page of packets shorter than 255 bytes; its sum covers the page with
    zeros in the sum's own place."""
    start = b"OggS" + struct.pack("<BBq", 0, flags, samples) + serial
    start += struct.pack("<I", number)
    end = bytes([len(packets), *map(len, packets)]) + b"".join(packets)
    return start + ogg_sum(start + bytes(4) + end) + end


def ogg_sum(content: bytes) -> bytes:
    """Ogg's CRC-32: zlib's polynomial with mirrored bits and no inversions."""
    mirrored = zlib.crc32(content.translate(MIRROR), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return mirrored.to_bytes(4, "big").translate(MIRROR)
