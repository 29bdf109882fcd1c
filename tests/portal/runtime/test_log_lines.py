"""What strangers send reaches the log short, rarely and without keys."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from django.core.exceptions import DisallowedHost
from django.db import OperationalError
from django.http.multipartparser import MultiPartParserError

from portal.runtime.log_lines import LINES_MAX, Known, Line, Rarely

# Fixed: test processes collect the same tests.
KEY = "tg_live_H2KlBIrj_ZLYgs0Hevphyrg5oolG8xNUvHLDhhKUS3iuOHl"


class Log:
    """A logger of its own, written into a text."""

    def __init__(self, name: str) -> None:
        self.written = io.StringIO()
        self.handler = logging.StreamHandler(self.written)
        self.handler.setFormatter(Line("%(levelname)s %(name)s: %(message)s"))
        self.handler.addFilter(Known())
        self.handler.addFilter(Rarely())
        self.logger = logging.getLogger(name)
        self.logger.addHandler(self.handler)

    def lines(self) -> list[str]:
        return self.written.getvalue().splitlines()


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log("django.security.DisallowedHost")
    yield made
    made.logger.removeHandler(made.handler)


@pytest.mark.parametrize(
    "text",
    [
        f"Not Found: /v1/{KEY}/chat",
        f"Not Found: /v1/{KEY[:20]}",
        f"Bad Request: /?key={KEY}&a=b",
        f"Authorization: Bearer {KEY}",
        "Not Found: /sk-proj-0123456789abcdef",
        "Not Found: /Bearer%20abcdefghijklmnop",
    ],
)
def test_a_key_is_not_logged(log: Log, text: str) -> None:
    log.logger.warning("%s", text)
    [line] = log.lines()
    assert "…" in line
    assert KEY[8:16] not in line
    assert "0123456789abcdef" not in line
    assert "abcdefghijklmnop" not in line


def test_a_line_is_one_and_short(log: Log) -> None:
    log.logger.error("Invalid HTTP_HOST header: %r", "x" * 100_000)
    log.logger.error("two\r\nlines\x1b[31m\u2028")
    assert len(log.lines()) == 2
    assert max(map(len, log.lines())) < 700
    assert log.lines()[1].endswith(r"two\r\nlines\x1b[31m\u2028")


def test_a_trace_is_short_and_without_keys(log: Log) -> None:
    try:
        raise ValueError(f"{KEY} " + "x" * 50_000)
    except ValueError:
        log.logger.exception("it broke")
    written = log.written.getvalue()
    assert "Traceback" in written
    assert KEY not in written
    assert len(written) < 13_000


def test_a_storm_is_a_few_lines_and_our_own_faults_are_said(log: Log) -> None:
    for number in range(500):
        log.logger.error("bad host %d", number)
    assert len(log.lines()) == LINES_MAX
    log.logger.error("our fault", extra={"status_code": 500})
    assert len(log.lines()) == LINES_MAX + 1


@pytest.mark.parametrize(
    ("error", "status", "is_ours"),
    [
        (DisallowedHost("x"), 400, False),
        (MultiPartParserError("x"), 400, False),
        (OperationalError("x"), 503, False),
        (OperationalError("x"), 500, True),
        (ValueError("x"), 500, True),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else str(each),
)
def test_only_our_own_faults_leave_a_trace(
    log: Log, error: Exception, status: int, is_ours: bool
) -> None:
    try:
        raise error
    except type(error):
        log.logger.error("A page", exc_info=True, extra={"status_code": status})
    written = log.lines()
    assert any("Traceback" in line for line in written) == is_ours
    assert is_ours or len(written) == 1
