"""Celery's broker of files, for an installation without Redis.

One folder of messages, a file each. A file appears whole or not at all, belongs to the
worker that renames it, and what cannot be read is set aside: kombu's own transport
ends the worker over it. No other file is kept, so no other can be spoiled.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import virtual
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)


class Channel(virtual.Channel):
    """A folder of messages; their names sort by the time at which they were put."""

    @property
    def folder(self) -> Path:
        options: dict[str, Any] = self.connection.client.transport_options  # type: ignore[union-attr,assignment]
        return Path(options["folder"])

    def _room(self, name: str) -> Path:
        """One of the folders, made again if somebody removed it."""
        room = self.folder / name
        room.mkdir(parents=True, exist_ok=True)
        return room

    def _put(self, queue: str, message: Any, **_: Any) -> None:
        # Workers read files that end with .msg only.
        name = f"{time.time_ns():020}_{uuid.uuid4()}.{queue}.msg"
        try:
            whole = self._room("messages") / name
            part = whole.with_name(f"{name}.part")
            part.write_text(dumps(message))
            os.replace(part, whole)
        except OSError as error:
            raise ChannelError(f"Cannot put a message into {self.folder}") from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for waiting in self._waiting(queue):
            taken = self._room("taken") / waiting.name
            try:
                os.rename(waiting, taken)
            except OSError:
                continue  # another worker's
            try:
                message = read(taken.read_bytes(), self)
            except (OSError, ValueError) as error:
                self._set_aside(taken, error)
                continue
            taken.unlink()
            return message
        raise Empty

    def _size(self, queue: str) -> int:
        return len(self._waiting(queue))

    def _purge(self, queue: str) -> int:
        waiting = self._waiting(queue)
        for each in waiting:
            each.unlink(missing_ok=True)
        return len(waiting)

    def _waiting(self, queue: str) -> list[Path]:
        ending = f"{queue}.msg"
        room = self._room("messages")
        names = sorted(os.listdir(room))
        return [room / name for name in names if name.partition(".")[2] == ending]

    def _set_aside(self, taken: Path, error: Exception) -> None:
        refused = self._room("refused") / taken.name
        logger.error("a message that cannot be read is now %s: %s", refused, error)
        with suppress(OSError):
            os.rename(taken, refused)


def read(content: bytes, channel: virtual.Channel) -> Any:
    """The message in a file. Raises: ValueError when it is none."""
    try:
        message = loads(content.decode())
        made = channel.Message(message, channel=channel)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"it is no message: {error!r}") from error
    if not isinstance(made.delivery_tag, str):
        raise ValueError("it has no delivery tag")
    if not isinstance(made.delivery_info, dict):
        raise ValueError("it does not say where it goes")
    return message


class Transport(virtual.Transport):
    """`filesystem://` with the channel above."""

    Channel = Channel
    # Bindings live in the process: each declares what it uses.
    bindings = virtual.BrokerState()
    default_port = 0
    driver_type = "filesystem"
    driver_name = "filesystem"

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(client, **options)
        self.state = self.bindings

    def driver_version(self) -> str:
        return "1"
