"""Celery's file broker, without its race: a message appears whole or not at all.

kombu writes into a file that a worker may already see, and a worker that reads it
half-written ends with "Unrecoverable error". Here it is written beside and renamed.
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
    """A folder of messages, sorted by the time they were put."""

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:  # type: ignore[override]
        name = f"{time.monotonic_ns() // 1_000_000}_{uuid.uuid4()}.{queue}.msg"
        whole = Path(self.data_folder_out) / name
        # The ending keeps it from being anybody's message yet.
        part = whole.with_name(f"{name}.part")
        try:
            part.write_text(dumps(message))
            os.replace(part, whole)
        except OSError as error:
            raise ChannelError(f"Cannot put a message into {whole.parent}") from error


class Transport(filesystem.Transport):
    """`filesystem://` over the channel above."""

    Channel = Channel
