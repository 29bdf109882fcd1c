"""PNG pictures: a diagonal gradient between two colours that a digest picks."""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SHADES = 256
# Up and down again, so that the gradient has no edge where it starts over.
WAVE = bytes([*range(SHADES), *range(SHADES - 2, 0, -1)])


def png(width: int, height: int, digest: bytes) -> bytes:
    """A picture of 8 bits a pixel. A palette holds the colours: rows are slices of
    one wave, which compress to next to nothing, and fast."""
    wave = WAVE * (width // len(WAVE) + 2)
    rows = (
        b"\0" + wave[start : start + width]
        for start in (row % len(WAVE) for row in range(height))
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"".join(
        (
            SIGNATURE,
            chunk(b"IHDR", header),
            chunk(b"PLTE", palette(digest[:3], digest[3:6])),
            chunk(b"IDAT", zlib.compress(b"".join(rows), 1)),
            chunk(b"IEND", b""),
        )
    )


def palette(first: bytes, last: bytes) -> bytes:
    """256 colours from the first to the last, three bytes each."""
    return bytes(
        begin + (end - begin) * shade // (SHADES - 1)
        for shade in range(SHADES)
        for begin, end in zip(first, last, strict=True)
    )


def chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return (
        struct.pack(">I", len(content))
        + checked
        + struct.pack(">I", zlib.crc32(checked))
    )
