"""CSV: UTF-8, a head, no cell that a spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import BinaryIO

from portal.documents.columns import TEXTS, Column, Row


def write(
    columns: tuple[Column, ...], rows: Iterable[Row], to: BinaryIO, expected: int = 0
) -> None:
    text = io.TextIOWrapper(to, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text)
    writer.writerow([column.name for column in columns])
    cells = [TEXTS[column.type] for column in columns]
    for row in rows:
        writer.writerow(
            [
                "" if value is None else cell(value)
                for cell, value in zip(cells, row, strict=True)
            ]
        )
    text.flush()
    text.detach()
