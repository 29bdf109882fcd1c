"""What may reach a log: no secret, no line that somebody else made, nothing endless."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus
from threading import Lock

from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError

from billing.values.errors import LedgerUnavailable
from portal.tenants.key_format import masked

MESSAGE_CHARACTERS_MAX = 600
TRACE_CHARACTERS_MAX = 12_000
# Of one logger that says what strangers did.
LINES_MAX, SECONDS = 10, 60
UNAVAILABLE = (OperationalError, InterfaceError, LedgerUnavailable)
OF_STRANGERS = ("django.security", "django.request", "portal.strangers")


class Line(logging.Formatter):
    """One record, one line, and the trace where it is ours."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = shown(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:
        trace = masked(super().formatException(ei))  # type: ignore[arg-type]
        half = TRACE_CHARACTERS_MAX // 2
        if len(trace) <= TRACE_CHARACTERS_MAX:
            return trace
        return f"{trace[:half]}\n…\n{trace[-half:]}"


def shown(text: str) -> str:
    """In one line of bounded length, without keys."""
    cut = masked(text[: 2 * MESSAGE_CHARACTERS_MAX])
    if len(cut) > MESSAGE_CHARACTERS_MAX:
        cut = cut[:MESSAGE_CHARACTERS_MAX] + "…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)


class Known(logging.Filter):
    """A page whose database was away says so in a line, and what is a stranger's fault,
    too: where it was found is no news, and there is one for each page."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        is_away = isinstance(error, UNAVAILABLE)
        status = getattr(record, "status_code", 0)
        # As a Host that is none, or a form that cannot be read.
        is_theirs = isinstance(error, SuspiciousOperation) or 400 <= status < 500
        is_known = is_away and status == HTTPStatus.SERVICE_UNAVAILABLE
        if error and (is_theirs or is_known):
            record.msg = f"{record.getMessage()}: {type(error).__name__}: {error}"
            record.args, record.exc_info, record.exc_text = None, None, None
        return True


class Rarely(logging.Filter):
    """Of what strangers cause only so many lines a minute; the next one says how many
    were left out. What is our own fault (500 and its trace) is always said."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._begun = self._count = self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        is_ours = getattr(record, "status_code", 0) >= 500
        if is_ours or not record.name.startswith(OF_STRANGERS):
            return True
        with self._lock:
            now = int(time.monotonic())
            if now - self._begun >= SECONDS:
                self._begun, self._count = now, 0
            self._count += 1
            if self._count > LINES_MAX:
                self._left_out += 1
                return False
            left_out, self._left_out = self._left_out, 0
        if left_out:
            record.msg = f"({left_out} such lines were left out) {record.getMessage()}"
            record.args = None
        return True
