"""Celery's broker of files, for an installation without Redis.

kombu's own writes into a file that a worker can see already, and a worker that reads
half a message ends with "Unrecoverable error". Here the message is written under
another name and then renamed, so it appears whole or not at all.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """A folder of messages; their names sort by the time at which they were put."""

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:  # type: ignore[override]
        name = f"{time.monotonic_ns() // 1_000_000}_{uuid.uuid4()}.{queue}.msg"
        whole = Path(self.data_folder_out) / name
        # Workers read files that end with .msg only.
        part = whole.with_name(f"{name}.part")
        try:
            part.write_text(dumps(message))
            os.replace(part, whole)
        except OSError as error:
            raise ChannelError(f"Cannot put a message into {whole.parent}") from error


class Transport(filesystem.Transport):
    """`filesystem://` with the channel above."""

    Channel = Channel
