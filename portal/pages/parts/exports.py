"""CSV of a whole list, written while it is read: the memory it takes does not grow
with its rows."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils import timezone

from portal.documents import columns


class Download(StreamingHttpResponse):
    """Pieces that are made as the client takes them, on the server's threads too."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = iter(self.streaming_content)  # type: ignore[arg-type]
        following = sync_to_async(lambda: next(pieces, None))
        while (piece := await following()) is not None:
            yield piece


def download(
    name: str, head: Iterable[str], chunks: Iterable[Iterable[Iterable[Any]]]
) -> StreamingHttpResponse:
    """A file called `name` and today's date; `chunks` are lists of rows of values."""
    answer = Download(
        _lines(list(head), chunks), content_type="text/csv; charset=utf-8"
    )
    file = f"{name}-{timezone.now():%Y%m%d}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{file}"'
    return answer


def download_lines(name: str, chunks: Iterable[Iterable[str]]) -> StreamingHttpResponse:
    """The same of JSON lines, each a text without its end."""
    pieces = ("".join(f"{line}\n" for line in lines) for lines in chunks)
    answer = Download(pieces, content_type="application/jsonl; charset=utf-8")
    file = f"{name}-{timezone.now():%Y%m%d}.jsonl"
    answer["Content-Disposition"] = f'attachment; filename="{file}"'
    return answer


def written(value: Any) -> Any:
    """A value as it is in a cell: times in UTC, and no text that acts as a formula."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return value
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case date():
            return value.isoformat()
        case Number():
            return str(value)
    return columns.safe(str(value))


class Number(str):
    """The text of a number, which may begin with a minus."""

    __slots__ = ()


class _Line:
    """What `csv` writes to: it keeps one line, to be handed on."""

    def write(self, text: str) -> str:
        return text


def _lines(head: list[str], chunks: Iterable[Iterable[Iterable[Any]]]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(head)  # `writerow` returns what `write` does
    for rows in chunks:
        yield "".join(
            writer.writerow([written(value) for value in row]) for row in rows
        )
