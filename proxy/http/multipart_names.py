"""Names in a form's heads that are not UTF-8: old shells and clients write Latin-1, and
Django then takes the part for none, without an error."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile

HEAD_BYTES_MAX = 4096  # of one part
READ_BYTES = 1024**2
# Django takes 1,000 fields and 100 files; 20 MiB hold millions of boundaries.
PARTS_MAX = 2_000
Body = SpooledTemporaryFile[bytes]


class TooManyParts(Exception):
    """More than PARTS_MAX, about."""


def mended(body: Body, boundary: bytes, memory_bytes: int) -> Body:
    """The same body where all heads are UTF-8, else a new one. Raises: TooManyParts."""
    wrong = [(at, head) for at, head in _heads(body, boundary) if not _is_utf8(head)]
    if not wrong:
        return body
    new = SpooledTemporaryFile[bytes](memory_bytes)
    done = 0
    for at, head in wrong:
        _copy(body, new, done, at)
        new.write(head.decode("latin-1").encode())
        done = at + len(head)
    _copy(body, new, done, None)
    return new


def _heads(body: Body, boundary: bytes) -> Iterator[tuple[int, bytes]]:
    """Every part's head with its place. Raises: TooManyParts."""
    start = b"--" + boundary + b"\r\n"
    offset, left, parts = 0, b"", 0
    while True:
        body.seek(offset + len(left))
        piece = body.read(READ_BYTES)
        if not piece:
            return
        window = left + piece
        parts += window.count(start[:-2])
        if parts > PARTS_MAX:
            raise TooManyParts
        found = window.find(start)
        while found >= 0:
            at = offset + found + len(start)
            body.seek(at)
            head, end, _ = body.read(HEAD_BYTES_MAX).partition(b"\r\n\r\n")
            if end:
                yield at, head
            found = window.find(start, found + len(start))
        # A boundary may lie across two pieces.
        kept = min(len(start) - 1, len(window))
        offset += len(window) - kept
        left = window[len(window) - kept :]


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError:
        return False
    return True


def _copy(source: Body, target: Body, begin: int, end: int | None) -> None:
    source.seek(begin)
    while end is None or begin < end:
        size = READ_BYTES if end is None else min(READ_BYTES, end - begin)
        piece = source.read(size)
        if not piece:
            return
        target.write(piece)
        begin += len(piece)
