"""What the door says when the pages behind it do not answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from portal.runtime.cuts import AnswerCut, Brief
from portal.runtime.door import Door

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/account/",
    "raw_path": b"/account/",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
    "client": ("127.0.0.1", 4711),
}


async def nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


@pytest.mark.asyncio
@pytest.mark.parametrize("said", [b"", b"no HTTP\r\n\r\n"])
async def test_pages_that_break_off_are_a_503(tmp_path: Path, said: bytes) -> None:
    sent: list[Mapping[str, Any]] = []

    async def break_off(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    path = str(tmp_path / "pages.sock")
    async with await asyncio.start_unix_server(break_off, path):
        await Door(path, 2)(SCOPE, nothing, send)
    assert [message.get("status") for message in sent] == [503, None]
    assert b"Nothing was changed" in sent[1]["body"]


@pytest.mark.asyncio
async def test_half_an_export_breaks_the_connection(tmp_path: Path) -> None:
    sent: list[Mapping[str, Any]] = []

    async def send_half(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + b"4\r\nhalf\r\n")
        writer.close()

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    path = str(tmp_path / "pages.sock")
    async with await asyncio.start_unix_server(send_half, path):
        with pytest.raises(AnswerCut):
            await Door(path, 2)(SCOPE, nothing, send)
    assert [message.get("body") for message in sent] == [None, b"half"]
    assert sent[-1]["more_body"]


@pytest.mark.parametrize(
    ("trace", "said"),
    [
        (
            "Traceback\n…\nAnswerCut: a film: cut\n",
            "a film",
        ),
        ("Traceback\n…\nValueError: ours\n", "Traceback"),
    ],
)
def test_an_answer_that_is_cut_is_one_line_of_the_log(trace: str, said: str) -> None:
    record = logging.LogRecord("_granian", logging.ERROR, "", 0, trace, None, None)
    assert Brief().filter(record)
    assert said in record.getMessage()
    assert ("\n" in record.getMessage()) == (said == "Traceback")
