"""What is in an export: every row, in every format, and nothing that acts."""

from __future__ import annotations

import csv
import json
import re
import stat
from datetime import timedelta
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone

from billing.models import Account
from billing.reports.periods import Range
from portal.documents import ranges, write
from portal.documents.kinds import Format, Kind
from portal.documents.sources import usage
from portal.documents.write import Written
from portal.documents.writers import xlsx
from portal.models import ApiKey, Organization, User
from portal.tenants import key_edits
from tests.support.cast import actor_of, make_call, make_key
from tests.support.portal.neighbours import ATTACK, make_neighbour

pytestmark = pytest.mark.django_db

Data = list[dict[str, Any]]


@pytest.fixture
def key(organization: Organization, alice: User) -> ApiKey:
    found, _ = make_key(organization, alice)
    return found


def today() -> Range:
    now = timezone.now()
    return Range(now - timedelta(days=2), now + timedelta(seconds=1))


def written(
    organization: Organization, kind: Kind, format: Format, path: Path
) -> Written:
    return write.to_file(organization, kind, format, today(), path)


def read(path: Path, format: Format) -> Data:
    match format:
        case Format.CSV:
            return list(csv.DictReader(StringIO(path.read_text())))
        case Format.JSONL:
            return [json.loads(line) for line in path.read_text().splitlines()]
        case Format.PARQUET:
            parquet = pytest.importorskip("pyarrow.parquet")
            found: Data = parquet.read_table(path).to_pylist()
            return found
        case Format.XLSX:
            return read_sheet(path)


def read_sheet(path: Path) -> Data:
    """Its cells as texts, whether they are shared or in place."""
    with ZipFile(path) as book:
        names = book.namelist()
        shared: list[str] = []
        if "xl/sharedStrings.xml" in names:
            text = book.read("xl/sharedStrings.xml").decode()
            items = re.findall(r"<si>(.*?)</si>", text, re.S)
            shared = [re.sub(r"<[^>]+>", "", item) for item in items]
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    rows = []
    for row in re.findall(r"<row .*?</row>", sheet, re.S):
        cells = {}
        pattern = r'<c r="([A-Z]+)\d+"([^>]*?)(?:/>|>(.*?)</c>)'
        for column, attributes, content in re.findall(pattern, row, re.S):
            value = unescape(re.sub(r"<[^>]+>", "", content))
            if 't="s"' in attributes:
                value = unescape(shared[int(value)])
            cells[column] = plain(value)
        rows.append(cells)
    head, *rest = rows
    return [
        {name: row.get(column, "") for column, name in head.items()} for row in rest
    ]


def plain(cell: str) -> str:
    """Numbers in one way, however they are written."""
    try:
        number = round(float(cell), 8)
    except ValueError:
        return cell
    return str(int(number)) if number.is_integer() else str(number)


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("kind", [Kind.USAGE, Kind.USAGE_DAYS])
def test_usage_adds_up_to_the_ledger_in_every_format(
    organization: Organization, key: ApiKey, tmp_path: Path, kind: Kind, format: Format
) -> None:
    for charged in (3, 4, 5):
        make_call(key, charged=charged)
    path = tmp_path / "file"
    made = written(organization, kind, format, path)
    rows = read(path, format)
    assert made.rows == len(rows) == (3 if kind == Kind.USAGE else 1)
    charged = sum(int(row["charged_micros"]) for row in rows)
    spent = Account.objects.get(id=organization.account_id).balance_micros
    assert charged == 1000 * 10**6 - spent == 12 * 10**6
    assert sum(float(row["credits"]) for row in rows) == 12
    assert {str(row["key_id"]) for row in rows} == {str(key.pk)}
    assert (made.bytes, made.sha256) == write.digest_of(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.once
def test_no_cell_is_a_formula_and_nobody_elses_rows_are_there(
    organization: Organization, tmp_path: Path
) -> None:
    """Every name of that organization is a formula."""
    attacker = make_neighbour("evil")
    for kind in Kind:
        for format in (Format.CSV, Format.XLSX):
            path = tmp_path / f"{kind}.{format}"
            made = written(attacker.organization, kind, format, path)
            rows = read(path, format)
            assert made.rows == len(rows)
            cells = [str(cell) for row in rows for cell in row.values()]
            if format == Format.CSV:
                assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
            if kind == Kind.USAGE:
                assert any(ATTACK[:9] in cell for cell in cells)
        path = tmp_path / f"{kind}.jsonl"
        written(organization, kind, Format.JSONL, path)
        assert "evil" not in path.read_text()


@pytest.mark.once  # what the writers make of rows
def test_both_writers_of_xlsx_write_the_same_cells(
    organization: Organization, key: ApiKey, tmp_path: Path
) -> None:
    make_call(key)
    found: list[Data] = []
    for name, writer in (("slow", xlsx.write_slow), ("fast", write_fast)):
        source = usage.calls(organization, today())
        path = tmp_path / name
        with path.open("w+b") as file:
            writer(source.columns, source.rows, file)
        found.append(read_sheet(path))
    assert found[0] == found[1] != []


def write_fast(columns: Any, rows: Any, file: Any) -> None:
    pytest.importorskip("rustpy_xlsxwriter")
    xlsx.write_fast(columns, rows, file, 1)


def test_rows_keep_the_names_of_then(
    organization: Organization, alice: User, key: ApiKey, tmp_path: Path
) -> None:
    make_call(key)
    key_edits.rename(key, "desk", actor=actor_of(alice))
    written(organization, Kind.USAGE, Format.CSV, tmp_path / "calls")
    [call] = read(tmp_path / "calls", Format.CSV)
    written(organization, Kind.USAGE_DAYS, Format.CSV, tmp_path / "days")
    [day] = read(tmp_path / "days", Format.CSV)
    assert (call["key"], day["key"]) == ("laptop", "desk")


# --- ranges --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        (0, -1, "to"),  # back to front
        (1, 1, "from"),
        (-1, 1, "to"),
        (-40_000, 0, "from"),
        (-4000, 0, "to"),
    ],
)
def test_a_range_that_makes_no_sense_is_an_error_of_its_field(
    organization: Organization, first: int, last: int, field: str
) -> None:
    now = timezone.now()
    days = [now.date() + timedelta(days=n) for n in (first, last)]
    with pytest.raises(ValidationError) as refused:
        ranges.span_of(organization, days[0], days[1], now)
    assert field in refused.value.message_dict


# --- the command ---------------------------------------------------------------------


def command(organization: Organization, target: Path, **more: str) -> str:
    day = f"{timezone.now():%Y-%m-%d}"
    usual = {"kind": "usage", "first": day, "last": day, "format": "csv"}
    out, options = StringIO(), usual | more
    call_command(
        "export",
        organization=organization.slug,
        out=str(target),
        stdout=out,
        **options,
    )
    return out.getvalue()


def test_the_command_writes_a_file_and_says_its_digest(
    organization: Organization, key: ApiKey, tmp_path: Path
) -> None:
    make_call(key)
    said = command(organization, tmp_path / "a.csv")
    assert write.digest_of(tmp_path / "a.csv")[1] in said
    assert len(read(tmp_path / "a.csv", Format.CSV)) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"first": "2026-02-30"}, "no day"),
        ({"last": "2031-01-01"}, "--to"),
        ({"first": "2020-02-02", "last": "2020-01-01"}, "--to"),
    ],
)
def test_the_command_refuses_and_leaves_no_file(
    organization: Organization, tmp_path: Path, options: dict[str, str], said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        command(organization, tmp_path / "a.csv", **options)
    assert not list(tmp_path.iterdir())
