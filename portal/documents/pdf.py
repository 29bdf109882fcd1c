"""Statements and receipts as files. PDF is by reportlab; with the extra `pdf` that of
statements is by typst (`typeset.py`): PDF/A-3b with its own data inside."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

import orjson
from django.conf import settings
from reportlab import rl_config
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from billing.models import TopUp
from billing.payments.prices import money_text
from billing.values.amounts import credits_text
from portal.documents import typeset
from portal.documents.labels import receipt_label
from portal.documents.months import Document
from portal.documents.words import SUMS, lines_of, shares_of
from portal.models import Organization

FONT, BOLD = "Vera", "VeraBd"
ROWS_MAX = 200  # of a table; a PDF is for reading, exports have all


def statement(documents: Sequence[Document]) -> bytes:
    """Of one month: the organization's, then each project's on a page of its own."""
    if typeset.is_on():
        return typeset.statement(documents)
    story: list[Any] = []
    for place, each in enumerate(documents):
        story += _statement(each, is_first=not place)
    return _built(story, title_of(documents[0]))


def as_json(documents: Sequence[Document]) -> bytes:
    """The organization's statement, with those of its projects."""
    projects = [each.figures for each in documents[1:]]
    document = documents[0].figures | {"projects": projects}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def title_of(of: Document) -> str:
    return f"Statement {of.number or '(open)'}, {of.figures['month']}"


def _statement(of: Document, *, is_first: bool) -> list[Any]:
    found, styles = of.figures, _styles()
    head = [
        ("Organization", found["organization"]),
        *([("Project", of.project)] if of.project else []),
        ("Month", f"{found['month']} ({found['time_zone']})"),
        ("From", found["from"]),
        ("Until just before", found["until"]),
        ("Issued by", settings.OPERATOR_NAME),
    ]
    title = Paragraph(escape(title_of(of)), styles["Title"])
    title.style = ParagraphStyle("t", title.style, pageBreakBefore=0 if is_first else 1)
    story: list[Any] = [title, _pairs(head), Spacer(1, 6 * mm)]
    sums = [
        (label, credits_text(found[f"{name}_micros"]))
        for name, label in SUMS
        if f"{name}_micros" in found
    ]
    story += [_numbers(("Credits", ""), sums, is_total=True), Spacer(1, 6 * mm)]
    if found.get("lines"):
        rows = [(label, str(count), text) for label, count, text in lines_of(found)]
        story += [_numbers(("Why", "How many", "Credits"), rows), Spacer(1, 6 * mm)]
    for heading, shares in shares_of(found):
        rows = [(label, str(n), text) for label, n, text in shares[:ROWS_MAX]]
        if rows:
            columns = (f"Charged by {heading}", "Requests", "Credits")
            story += [_numbers(columns, rows), Spacer(1, 6 * mm)]
    proof = (
        f"SHA-256 {found['digest']}" if of.is_closed else "Not closed: it may change."
    )
    return [*story, Paragraph(escape(proof), styles["BodyText"])]


def receipt(organization: Organization, topup: TopUp) -> bytes:
    """Of a top-up that was paid."""
    assert topup.paid_at is not None
    zone = organization.account.time_zone
    buyer = topup.buyer_name or organization.name
    head = [
        ("Seller", settings.OPERATOR_NAME),
        ("Buyer", buyer),
        ("Address", topup.buyer_address),
        ("Tax id", topup.buyer_tax_id),
        ("Paid", _time(topup.paid_at, zone)),
        ("Order", topup.public_id),
    ]
    price = money_text(topup.price_minor, topup.currency)
    rows = [
        (f"{credits_text(topup.amount_micros)} credits", price),
        ("Tax", money_text(topup.tax_minor, topup.currency)),
        ("Paid in all", money_text(topup.total_minor, topup.currency)),
    ]
    title = f"Receipt {receipt_label(topup)}"
    story: list[Any] = [
        Paragraph(escape(title), _styles()["Title"]),
        _pairs([pair for pair in head if pair[1]]),
        Spacer(1, 6 * mm),
        _numbers(("What", "Amount"), rows, is_total=True),
    ]
    if topup.refunded_minor:
        back = money_text(topup.refunded_minor, topup.currency)
        said = f"Paid back until now: {back}."
        story += [Spacer(1, 6 * mm), Paragraph(said, _styles()["BodyText"])]
    return _built(story, title)


def _time(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} {zone}"


# --- pieces ---------------------------------------------------------------------------


@cache
def _fonts() -> None:
    """Fonts that reportlab brings, with more letters than those of every PDF."""
    folder = rl_config.TTFSearchPath
    assert folder
    for name in (FONT, BOLD):
        pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))


def _styles() -> Any:
    _fonts()
    found = getSampleStyleSheet()
    for name in ("Title", "BodyText"):
        found[name].fontName = BOLD if name == "Title" else FONT
    found["Title"].fontSize, found["Title"].alignment = 16, 0
    found["BodyText"].fontSize = 8
    return found


def _text(value: object) -> Any:
    return Paragraph(escape(str(value)), _styles()["BodyText"])


def _pairs(rows: Sequence[tuple[str, object]]) -> Any:
    cells = [[_text(name), _text(value)] for name, value in rows]
    return Table(cells, colWidths=[40 * mm, 130 * mm], hAlign="LEFT")


def _numbers(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, is_total: bool = False
) -> Any:
    """The first column is text, the others are numbers."""
    widths = [(170 - 35 * (len(head) - 1)) * mm, *[35 * mm] * (len(head) - 1)]
    cells: list[list[Any]] = [list(head)]
    cells += [[_text(row[0]), *row[1:]] for row in rows]
    style = [
        ("FONT", (0, 0), (-1, -1), FONT, 8),
        ("FONT", (0, 0), (-1, 0), BOLD, 8),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
    ]
    if is_total:
        style += [
            ("FONT", (1, -1), (-1, -1), BOLD, 8),
            ("LINEABOVE", (0, -1), (-1, -1), 0.5, colors.black),
        ]
    table = Table(cells, colWidths=widths, repeatRows=1, hAlign="LEFT")
    table.setStyle(TableStyle(style))
    return table


def _built(story: list[Any], title: str) -> bytes:
    to = io.BytesIO()
    SimpleDocTemplate(
        to, pagesize=A4, title=title, author=settings.OPERATOR_NAME, invariant=1
    ).build(story)
    return to.getvalue()
