"""Answers that break off: their head is out, and the rest will never come.

Half an answer must not look like a whole one, so the connection has to break: granian
does that for an application that raises. What it then writes is one line of ours, not a
trace: nothing is wrong here.
"""

from __future__ import annotations

import logging


class AnswerCut(Exception):
    """Whoever made the answer has stopped. The message says who, and how."""


class Brief(logging.Filter):
    """Of granian's trace of such an answer only what was cut is left."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        _, mark, words = message.rpartition(MARK)
        if mark:
            record.msg = f"an answer was cut off: {words.strip()[:WORDS_MAX]}"
            record.args = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


MARK = f"\n{AnswerCut.__name__}: "
WORDS_MAX = 300


def say_briefly() -> None:
    """In this process, whose server has set up its logger by now."""
    for handler in logging.getLogger("_granian").handlers:
        handler.addFilter(Brief())
