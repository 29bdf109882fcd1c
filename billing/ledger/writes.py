"""Statements that write rows, however many there are.

PostgreSQL takes them as one JSON document: its text, and its plan, are the same for any
number. SQLite needs five times as long to read JSON as to take plain values, so there
the rows are the statement's parameters, 1, 2, 4 … of them. Like that, too, the
interpreter lock is given up once for a statement and not once for a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any

import orjson
from django.db.models import JSONField, Model

from billing.ledger import dialect
from billing.ledger.pipeline import Statement

# In one statement, at most: SQLite takes 32,766 parameters.
ROWS_MAX = 64

Reader = Callable[[Any], tuple[Any, ...]]


class Write:
    """One statement for rows of a model: dictionaries, or objects whose attributes
    have the columns' names. In `body` the rows are a table `r`."""

    def __init__(self, model: type[Model], columns: Iterable[str], body: str) -> None:
        self._columns = tuple(columns)
        self._text = f"{dialect.rows(model, self._columns)} {body}"
        self._body = body
        documents = {
            field.attname
            for field in model._meta.concrete_fields
            if isinstance(field, JSONField)
        }
        self._documents = [
            place for place, name in enumerate(self._columns) if name in documents
        ]
        self._texts: dict[int, str] = {}  # by the number of rows
        self._readers: dict[type[Any], Reader] = {}

    def statements(self, rows: Sequence[Any]) -> list[Statement]:
        """What writes these rows; nothing for none."""
        if not rows:
            return []
        if dialect.IS_POSTGRES:
            return [(self._text, dialect.json(rows))]
        values = self._values(rows)
        statements, start = [], 0
        while left := len(values) - start:
            count = min(ROWS_MAX, 1 << (left.bit_length() - 1))
            part = values[start : start + count]
            statements.append((self._text_of(count), *chain.from_iterable(part)))
            start += count
        return statements

    def _values(self, rows: Sequence[Any]) -> Sequence[Sequence[Any]]:
        found = list(map(self._reader_of(rows[0]), rows))
        return list(map(self._with_documents, found)) if self._documents else found

    def _reader_of(self, row: Any) -> Reader:
        reader = self._readers.get(type(row))
        if reader is None:
            of = itemgetter if isinstance(row, dict) else attrgetter
            reader = self._readers[type(row)] = of(*self._columns)
        return reader

    def _with_documents(self, row: Sequence[Any]) -> Sequence[Any]:
        written = list(row)
        for place in self._documents:
            written[place] = orjson.dumps(written[place]).decode()
        return written

    def _text_of(self, count: int) -> str:
        text = self._texts.get(count)
        if text is None:
            row = f"({', '.join('?' * len(self._columns))})"
            listed, rows = ", ".join(self._columns), ", ".join([row] * count)
            text = f"WITH r({listed}) AS (VALUES {rows}) {self._body}"
            self._texts[count] = text
        return text
