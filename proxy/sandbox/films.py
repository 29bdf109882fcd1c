"""MP4 films: one PNG picture, shown in every frame of the only track.

PNG is a video format of MP4 (object type 0x6D), and any number of frames may lie in
the same place of the file; so a film costs no more than its picture.
"""

from __future__ import annotations

import struct

PNG_OBJECT_TYPE = 0x6D
VISUAL_STREAM = 0x11  # stream type 4, and the bit that is always set
MATRIX = struct.pack(">9I", 0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000)
UNITS = 60_000  # a second in the film's unit of time: whole frames at 30 and 60 fps


def mp4(picture: bytes, *, width: int, height: int, millis: int, fps: int) -> bytes:
    """A film of whole frames that lasts at least so long."""
    frames = -(-millis * fps // 1000)
    kind = box(b"ftyp", b"isom", struct.pack(">I", 512), b"isom", b"mp41")
    data = box(b"mdat", picture)
    place = len(kind) + 8  # behind the header of `mdat`
    units = frames * (UNITS // fps)
    stored = sample_table(width, height, len(picture), frames, UNITS // fps, place)
    return kind + data + movie(width, height, units, stored)


def movie(width: int, height: int, units: int, stored: bytes) -> bytes:
    handler = full_box(b"hdlr", bytes(4), b"vide", bytes(12), b"sandbox\0")
    time = struct.pack(">IIII", 0, 0, UNITS, units)
    links = full_box(b"dref", struct.pack(">I", 1), full_box(b"url ", flags=1))
    information = box(
        b"minf", full_box(b"vmhd", bytes(8), flags=1), box(b"dinf", links), stored
    )
    media = box(
        b"mdia",
        full_box(b"mdhd", time, struct.pack(">HH", 0x55C4, 0)),  # language: und
        handler,
        information,
    )
    track = full_box(
        b"tkhd",
        struct.pack(">IIIII", 0, 0, 1, 0, units),
        bytes(16),
        MATRIX,
        struct.pack(">II", width << 16, height << 16),
        flags=3,
    )
    header = full_box(
        b"mvhd",
        time,
        struct.pack(">IH", 0x1_0000, 0x100),
        bytes(10),
        MATRIX,
        bytes(24),
        struct.pack(">I", 2),  # the number of the next track
    )
    return box(b"moov", header, box(b"trak", track, media))


def sample_table(
    width: int, height: int, size: int, frames: int, units: int, place: int
) -> bytes:
    """Every frame is a chunk of its own, and all chunks are in one place."""
    look = box(
        b"mp4v",
        bytes(6),
        struct.pack(">H", 1),
        bytes(16),
        struct.pack(">HHIIIH", width, height, 0x48_0000, 0x48_0000, 0, 1),
        bytes(32),
        struct.pack(">Hh", 24, -1),
        full_box(b"esds", descriptor(size)),
    )
    return box(
        b"stbl",
        full_box(b"stsd", struct.pack(">I", 1), look),
        full_box(b"stts", struct.pack(">III", 1, frames, units)),
        full_box(b"stsc", struct.pack(">IIII", 1, 1, 1, 1)),
        full_box(b"stsz", struct.pack(">II", size, frames)),
        full_box(b"stco", struct.pack(">I", frames), struct.pack(">I", place) * frames),
    )


def descriptor(size: int) -> bytes:
    """The elementary stream: an ES of one decoder and the usual sync layer."""
    decoder = struct.pack(">BB", PNG_OBJECT_TYPE, VISUAL_STREAM)
    decoder += struct.pack(">I", size)[1:] + bytes(8)
    decoder = bytes([4, len(decoder)]) + decoder
    stream = struct.pack(">HB", 1, 0) + decoder + bytes([6, 1, 2])
    return bytes([3, len(stream)]) + stream


def box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I", 8 + len(content)) + kind + content


def full_box(kind: bytes, *contents: bytes, flags: int = 0) -> bytes:
    """A box with a version, always 0, and flags."""
    return box(kind, struct.pack(">I", flags), *contents)
