"""JSON lines: an object a row; decimals are texts, so that no reader rounds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

import orjson

from portal.documents.columns import TEXTS, Column, Row, Type, as_is


def write(
    columns: tuple[Column, ...], rows: Iterable[Row], to: BinaryIO, expected: int = 0
) -> None:
    names = [column.name for column in columns]
    cells = [
        as_is if column.type == Type.TEXT else TEXTS[column.type] for column in columns
    ]
    for row in rows:
        values = [
            None if value is None else cell(value)
            for cell, value in zip(cells, row, strict=True)
        ]
        found = dict(zip(names, values, strict=True))
        to.write(orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE))
