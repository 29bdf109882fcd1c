"""Statements by typst (the extra `pdf`): tagged PDF/A-3b that carries its own figures,
as JSON and CSV, inside. Figures come in as data, never as markup."""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from django.conf import settings

from billing.values.amounts import credits_text
from portal.documents import files
from portal.documents.columns import safe
from portal.documents.months import Document
from portal.documents.words import SUMS, lines_of, shares_of

TEMPLATE = Path(__file__).with_name("statement.typ")
ROWS_MAX = 200


def is_on() -> bool:
    return importlib.util.find_spec("typst") is not None


def statement(documents: Sequence[Document]) -> bytes:
    """As `pdf.statement`."""
    import typst

    figures = [each.figures for each in documents]
    with TemporaryDirectory(dir=files.folder(), prefix="typst-") as folder:
        source = Path(folder) / "statement.typ"
        source.write_bytes(TEMPLATE.read_bytes())
        (Path(folder) / "statement.json").write_bytes(
            orjson.dumps(figures, option=orjson.OPT_INDENT_2)
        )
        (Path(folder) / "statement.csv").write_text(_csv(documents))
        found: Any = typst.compile(
            str(source),
            root=folder,
            sys_inputs={"data": orjson.dumps([*map(_shown, documents)]).decode()},
            pdf_standards=["a-3b"],
        )
    made: bytes = found[0] if isinstance(found, list) else found
    return made


def _shown(of: Document) -> dict[str, Any]:
    found = of.figures
    return {
        "title": f"Statement {of.number or '(open)'}, {found['month']}",
        "issuer": settings.OPERATOR_NAME,
        "organization": found["organization"],
        "project": of.project,
        "zone": found["time_zone"],
        "from": found["from"],
        "until": found["until"],
        "sums": [
            [label, credits_text(found[f"{name}_micros"])]
            for name, label in SUMS
            if f"{name}_micros" in found
        ],
        "lines": [[label, str(n), text] for label, n, text in lines_of(found)],
        "shares": [
            [heading, [[label, str(n), text] for label, n, text in rows[:ROWS_MAX]]]
            for heading, rows in shares_of(found)
        ],
        # Of the same figures the same file.
        "date": [int(part) for part in found["until"][:10].split("-")],
        "proof": found.get("digest", ""),
    }


def _csv(documents: Sequence[Document]) -> str:
    to = io.StringIO()
    writer = csv.writer(to)
    writer.writerow(["statement", "project", "what", "name", "count", "credits"])
    for of in documents:
        head = [of.number, safe(of.project)]
        for name, label in SUMS:
            micros = of.figures.get(f"{name}_micros")
            if micros is not None:
                writer.writerow([*head, label, "", "", credits_text(micros)])
        for heading, rows in shares_of(of.figures):
            for label, count, text in rows:
                writer.writerow([*head, heading, safe(label), count, text])
    return to.getvalue()
