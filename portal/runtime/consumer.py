"""The part of a worker that listens to the broker, made to outlive it.

Celery's own ends the worker when the broker breaks in a way that its list of errors
does not name, and when a message is not what it should be.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer

logger = logging.getLogger(__name__)


class PatientConsumer(Consumer):
    """Connects again after every error, and sets aside what it cannot take."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # What Celery connects again after; it waits longer when that does not help.
        self.connection_errors = (Exception,)

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        take = super().create_task_handler(*args, **options)

        def take_if_possible(message: Any) -> None:
            try:
                check(message)
                take(message)
            except Exception:  # noqa: BLE001  given back, it would come again
                logger.exception("a message cannot be taken: %.500r", message)
                message.ack_log_error(logger, self.connection_errors)

        return take_if_possible


def check(message: Any) -> None:
    """Raises: ValueError when the message calls no task.

    Celery reads the arguments in the pool's thread. What fails there is never
    acknowledged, and keeps a place among the messages that the worker may hold.
    """
    headers, content = message.headers, message.decode()
    if not isinstance(headers, dict) or not all(
        isinstance(headers.get(name), str) for name in ("task", "id")
    ):
        raise ValueError("it names no task")
    match content:
        case [list(), dict(), dict() | None]:
            pass
        case _:
            raise ValueError("its arguments are not a task's")
