"""Writing one export to a file: rows pass through, none is kept."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from billing import statements
from billing.reports.periods import Range
from portal.documents import files
from portal.documents.columns import Column, Row
from portal.documents.kinds import SOURCES, Format, Kind
from portal.documents.writers import csv_lines, json_lines, parquet, xlsx
from portal.models import Organization

Write = Callable[[tuple[Column, ...], Iterable[Row], BinaryIO, int], None]
WRITERS: dict[Format, Write] = {
    Format.CSV: csv_lines.write,
    Format.JSONL: json_lines.write,
    Format.XLSX: xlsx.write,
    Format.PARQUET: parquet.write,
}
# Rows after which whoever asked for the export hears how far it is.
TELL_EVERY = 5000
READ_BYTES = 1 << 20
Progress = Callable[[int, int], None]


class FormatMissing(Exception):
    """The library that writes this format is not installed."""


@dataclass(frozen=True, slots=True)
class Written:
    """What is in the file now."""

    rows: int
    bytes: int
    sha256: str


def nobody_asks(rows: int, expected: int) -> None:
    pass


def refuse_missing(format: Format) -> None:
    """Raises: FormatMissing."""
    if format == Format.PARQUET and importlib.util.find_spec("pyarrow") is None:
        raise FormatMissing(
            "Parquet needs pyarrow: pip install 'tollgate[parquet]' where the worker "
            "runs."
        )


def to_file(
    organization: Organization,
    kind: Kind,
    format: Format,
    span: Range,
    path: Path,
    progress: Progress = nobody_asks,
) -> Written:
    """Write the rows of a range that is past to `path`, readable for us only.

    Raises: FormatMissing, OSError, LookupError for a ledger with a gap.
    """
    refuse_missing(format)
    statements.await_bookings(organization.account_id)
    source = SOURCES[kind](organization, span)
    counted = Counted(source.rows, source.expected, progress)
    with files.private_file(path) as file:
        WRITERS[format](source.columns, counted, file, source.expected)
    bytes_, digest = digest_of(path)
    return Written(counted.rows, bytes_, digest)


def digest_of(path: Path) -> tuple[int, str]:
    """Bytes and SHA-256: of what is on disk, because some formats are not written from
    their beginning to their end."""
    found, count = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            found.update(piece)
            count += len(piece)
    return count, found.hexdigest()


class Counted:
    """Rows as they pass."""

    def __init__(self, rows: Iterator[Row], expected: int, progress: Progress) -> None:
        self.rows = 0
        self._rows, self._expected, self._progress = rows, expected, progress

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            yield row
            self.rows += 1
            if self.rows % TELL_EVERY == 0:
                self._progress(self.rows, max(self._expected, self.rows))
