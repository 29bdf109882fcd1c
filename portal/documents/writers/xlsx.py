"""XLSX: sheets of as many rows as a sheet has; texts stay texts, whatever they say.

XlsxWriter writes it row by row. Where `rustpy-xlsxwriter` is installed (the extra
`xlsx`), that does: the same cells in about a tenth of the time.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import xlsxwriter

from portal.documents.columns import Column, Row, Type

SHEET_ROWS_MAX = 1_048_575  # and the head
CELL_CHARACTERS_MAX = 32_767
SPARE = 50_000  # rows more than expected that may come
# More digits than these a spreadsheet rounds.
EXACT_MAX = 999_999_999_999_999
HAS_FAST = importlib.util.find_spec("rustpy_xlsxwriter") is not None


class TooManyRows(Exception):
    """More came than there were when it began: write it again."""


def write(
    columns: tuple[Column, ...], rows: Iterable[Row], to: BinaryIO, expected: int = 0
) -> None:
    """`expected` is how many rows there are, roughly. Raises: TooManyRows."""
    if HAS_FAST:
        write_fast(columns, rows, to, expected)
    else:
        write_slow(columns, rows, to)


def write_slow(columns: tuple[Column, ...], rows: Iterable[Row], to: BinaryIO) -> None:
    """With XlsxWriter: its rows wait in a file beside this one, not in memory."""
    folder = str(Path(getattr(to, "name", tempfile.gettempdir())).parent)
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "tmpdir": folder,
    }
    book = xlsxwriter.Workbook(to, options)
    time_format = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    cells = [_cell(column.type) for column in columns]
    for number, part in enumerate(_sheets(rows), start=1):
        sheet = book.add_worksheet(f"Sheet{number}")
        sheet.freeze_panes(1, 0)
        for place, column in enumerate(columns):
            sheet.write_string(0, place, column.name)
        for line, row in enumerate(part, start=1):
            for place, (cell, value) in enumerate(zip(cells, row, strict=True)):
                made = None if value is None else cell(value)
                match made:
                    case None:
                        pass
                    case str():
                        sheet.write_string(line, place, made)
                    case datetime():
                        sheet.write_datetime(line, place, made, time_format)
                    case _:
                        sheet.write_number(line, place, made)
    book.close()


def write_fast(
    columns: tuple[Column, ...], rows: Iterable[Row], to: BinaryIO, expected: int
) -> None:
    """With rustpy-xlsxwriter. It has to know beforehand how many sheets there are: a
    file that is expected to fill one gets another.

    Raises: TooManyRows.
    """
    import rustpy_xlsxwriter

    names = [column.name for column in columns]
    cells = [_cell(column.type) for column in columns]
    left = iter(rows)
    head = next(left, None)
    if head is None:  # it takes the head from the first row
        write_slow(columns, (), to)
        return
    left = chain([head], left)

    def records() -> Iterator[dict[str, Any]]:
        for row in islice(left, SHEET_ROWS_MAX):
            values = [
                None if value is None else cell(value)
                for cell, value in zip(cells, row, strict=True)
            ]
            yield dict(zip(names, values, strict=True))

    count = 1 + (expected + SPARE) // SHEET_ROWS_MAX
    rustpy_xlsxwriter.write_worksheets(
        [(f"Sheet{number}", records()) for number in range(1, count + 1)],
        to.name,  # into a file object it would write all at once, out of memory
        datetime_format="yyyy-mm-dd hh:mm:ss",
        freeze_panes={"general": {"row": 1, "col": 0}},
    )
    if next(left, None) is not None:
        raise TooManyRows


def _sheets(rows: Iterable[Row]) -> Iterator[Iterator[Row]]:
    """Rows in parts of a sheet each; at least one, maybe without rows."""
    left = iter(rows)
    yield islice(left, SHEET_ROWS_MAX)
    while (following := next(left, None)) is not None:
        yield chain([following], islice(left, SHEET_ROWS_MAX - 1))


def _cell(type_: Type) -> Callable[[Any], Any]:
    match type_:
        case Type.INT:
            return _integer
        case Type.DECIMAL:
            return _decimal
        case Type.TIME | Type.INSTANT:
            return _time
        case Type.DAY:
            return lambda value: value.isoformat()
        case _:
            return lambda value: value[:CELL_CHARACTERS_MAX] or None


def _time(value: datetime) -> datetime:
    """Whole seconds: finer ones no spreadsheet shows."""
    return value.astimezone(UTC).replace(tzinfo=None, microsecond=0)


def _integer(value: int) -> int | str:
    return value if -EXACT_MAX <= value <= EXACT_MAX else str(value)


def _decimal(value: str) -> float | str:
    """A number, where the spreadsheet has all its digits."""
    digits = len(value.lstrip("-0.").replace(".", ""))
    return float(value) if digits <= 15 else value
