"""The bytes of a stream, kept while it runs, so that it can be given again.

Only short ones are: `REPLAY_BYTES_MAX` each, and so much together in a process.
"""

from __future__ import annotations

from django.conf import settings

TOGETHER_BYTES_MAX = 32 * 1024**2


class KeptStream:
    """What was sent of one stream."""

    together_bytes = 0  # of all that run in this process

    def __init__(self, is_wanted: bool) -> None:
        self.is_whole = False  # it came to a good end, and was charged
        self._parts: list[bytes] | None = [] if is_wanted else None
        self._bytes = 0

    def add(self, part: bytes) -> None:
        if self._parts is None:
            return
        self._bytes += len(part)
        KeptStream.together_bytes += len(part)
        is_too_long = self._bytes > settings.REPLAY_BYTES_MAX
        if is_too_long or KeptStream.together_bytes > TOGETHER_BYTES_MAX:
            self._drop()
        else:
            self._parts.append(part)

    def whole(self) -> bytes | None:
        """All of it, once; None where it is not whole, or too long."""
        parts = self._parts
        self._drop()
        return b"".join(parts) if parts and self.is_whole else None

    def _drop(self) -> None:
        KeptStream.together_bytes -= self._bytes
        self._parts, self._bytes = None, 0
