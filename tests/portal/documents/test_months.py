"""Months as documents: JSON and PDF, closed and open, and month-end in one go."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing import statements
from billing.models import Statement
from portal.documents import months, pdf, typeset
from portal.documents.months import Document
from portal.models import Export, Organization, User
from portal.tenants.errors import MonthNotClosable
from tests.support.cast import actor_of, make_call, make_key
from tests.support.portal.documented import later, this_month
from tests.support.portal.neighbours import make_neighbour

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def used(organization: Organization, alice: User) -> Organization:
    key, _ = make_key(organization, alice)
    make_call(key)
    return organization


def command(name: str, organization: Organization, **options: Any) -> str:
    out = StringIO()
    call_command(name, organization=organization.slug, stdout=out, **options)
    return out.getvalue()


def test_an_open_month_is_as_it_would_be_if_it_ended_now(
    used: Organization, tmp_path: Path
) -> None:
    target = tmp_path / "statement.json"
    command("statement", used, month=this_month(), format="json", out=str(target))
    found = json.loads(target.read_text())
    assert (found["status"], found["number"]) == ("open", None)
    amounts = ("opening", "top_ups", "usage", "closing")
    assert [found[f"{name}_credits"] for name in amounts] == ["0", "1000", "3", "997"]
    assert [each["project"] for each in found["projects"]] == ["Default"]
    assert not Statement.objects.exists()


@pytest.mark.parametrize("month", ["2031-01", "1999-01", "2020-01", "x", "2026-00"])
def test_a_month_that_there_is_not_is_refused(
    used: Organization, tmp_path: Path, month: str
) -> None:
    target = tmp_path / "file"
    for name in ("statement", "month_end"):
        with pytest.raises(CommandError):
            command(name, used, month=month, out=str(target))
    assert not target.exists()
    assert not Statement.objects.exists()


def test_month_end_closes_writes_and_compares(
    used: Organization, tmp_path: Path
) -> None:
    month = this_month()
    with later(days=40):
        said = command("month_end", used, month=month, out=str(tmp_path / "out"))
        again = command("month_end", used, month=month, out=str(tmp_path / "out"))
    assert said == again
    assert "Difference to the ledger: 0\n" in said
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(
        [
            *(f"statement-{month}.{ending}" for ending in ("json", "pdf")),
            *(f"{kind}-{month}.csv" for kind in months.FOCUS),
            *(f"{kind}-{month}.csv.metadata.json" for kind in months.FOCUS),
        ]
    )
    found = json.loads((tmp_path / "out" / f"statement-{month}.json").read_text())
    row = Statement.objects.get(part=0)
    assert (found["number"], found["digest"]) == (row.label, row.digest)


def test_a_difference_is_not_kept_quiet(
    used: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    with later(days=40):
        command("month_end", used, month=this_month())
        rows = Statement.objects.filter(part=0)
        figures = json.loads(rows.get().figures)
        figures["charged_micros"] += 1
        [row] = rows
        row.figures = json.dumps(figures)
        monkeypatch.setattr(statements, "of_month", lambda *_: [row])
        assert months.difference_to_ledger(used, this_month()) == -1


def test_one_click_closes_and_asks_for_focus_once(
    used: Organization, alice: User
) -> None:
    actor, month = actor_of(alice), this_month()
    with pytest.raises(MonthNotClosable):
        months.end_month(used, month, actor=actor)
    with later(days=40):
        done = months.end_month(used, month, actor=actor)
        again = months.end_month(used, month, actor=actor)
    assert done.difference_micros == 0
    assert [each.pk for each in again.exports] == [each.pk for each in done.exports]
    assert Export.objects.count() == len(months.FOCUS)


def documents(organization: Organization) -> list[Document]:
    return months.documents_of(organization, this_month())


def test_a_pdf_of_hostile_names_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """By reportlab; each of the names is markup."""
    monkeypatch.setattr(typeset, "is_on", lambda: False)
    made = pdf.statement(documents(make_neighbour("evil").organization))
    assert made.startswith(b"%PDF-")
    assert made.rstrip().endswith(b"%%EOF")


def test_typst_makes_an_archivable_pdf_that_carries_its_figures() -> None:
    pytest.importorskip("typst")
    made = typeset.statement(documents(make_neighbour("evil").organization))
    assert made.startswith(b"%PDF-1.7")
    assert b"/AF" in made
    for name in (b"statement.json", b"statement.csv"):
        assert name in made
    assert b"pdfaid" in made
