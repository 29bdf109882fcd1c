"""Parquet, by pyarrow (the extra `parquet`): typed columns, decimals exact."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO

from portal.documents.columns import Column, Row, Type

ROWS_AT_ONCE = 10_000
DIGITS, PLACES = 38, 14


def write(
    columns: tuple[Column, ...], rows: Iterable[Row], to: BinaryIO, expected: int = 0
) -> None:
    import pyarrow
    import pyarrow.parquet

    types = {
        Type.TEXT: pyarrow.string(),
        Type.PLAIN: pyarrow.string(),
        Type.INT: pyarrow.int64(),
        Type.DECIMAL: pyarrow.decimal128(DIGITS, PLACES),
        Type.INSTANT: pyarrow.timestamp("us", tz="UTC"),
        Type.TIME: pyarrow.timestamp("us", tz="UTC"),
        Type.DAY: pyarrow.date32(),
    }
    fields = [(column.name, types[column.type]) for column in columns]
    schema = pyarrow.schema(fields)
    decimals = [column.type == Type.DECIMAL for column in columns]
    left = iter(rows)
    with pyarrow.parquet.ParquetWriter(to, schema, compression="zstd") as writer:
        while part := list(islice(left, ROWS_AT_ONCE)):
            arrays: list[Any] = []
            for is_decimal, field, values in zip(
                decimals, schema, zip(*part, strict=True), strict=True
            ):
                kept: Iterable[Any] = values
                if is_decimal:
                    kept = [None if v is None else Decimal(v) for v in values]
                arrays.append(pyarrow.array(kept, field.type))
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))
