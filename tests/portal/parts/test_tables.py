"""A declared table: sorted and paged by its query string, totals, links, and a CSV of
the whole list that no spreadsheet takes for formulas."""

from __future__ import annotations

import asyncio
import csv
import io
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.urls import resolve

from portal.models import ApiKey, Organization, User
from portal.pages.parts import exports
from portal.pages.parts.tables import Column, Kind, Table, wants_csv
from tests.support.cast import make_key
from tests.support.portal import pages

URL = "/o/acme/keys/"
KEYS = Table(
    name="keys",
    caption="Keys of the organization",
    columns=(
        Column("name", "Name", order="name", link="key-rotate"),
        Column("project", "Project", "project.name", filters="project"),
        Column("made", "Made", "created_at", Kind.TIME, order="created_at"),
        Column("spent", "Spent", lambda key: 1_500_000, Kind.CREDITS),
    ),
    sort="-made",
    size=2,
)
LIST = Table(
    name="list",
    caption="A short list",
    columns=(
        Column("model", "Model", order="model"),
        Column("spent", "Spent", kind=Kind.CREDITS, order="spent"),
        Column("calls", "Calls", kind=Kind.COUNT, is_in_page=False),
    ),
    sort="-spent",
    size=2,
)
ROWS = [
    {"model": "b", "spent": 2_000_000, "calls": 1},
    {"model": "a", "spent": None, "calls": 0},
    {"model": "c", "spent": -5_500_000, "calls": 3},
]


def asked(query: str = "") -> HttpRequest:
    request = RequestFactory().get(f"{URL}{query}")
    request.resolver_match = resolve(URL)
    return request


def drawn(table: Table, rows: Any, query: str = "", **options: Any) -> pages.Page:
    page = pages.Page()
    listing = table.show(asked(query), rows, **options)
    page.feed(render_to_string("components/table.html", {"listing": listing}))
    return page


def lines(answer: Any) -> list[list[str]]:
    text = b"".join(answer.streaming_content).decode()
    return list(csv.reader(io.StringIO(text)))


@pytest.fixture
def keys(organization: Organization, alice: User) -> Any:
    made = [make_key(organization, alice, name)[0] for name in ("=1+1", "b", "<a>")]
    return ApiKey.objects.select_related("project").filter(pk__in=[k.pk for k in made])


def test_a_page_has_links_totals_and_neighbours(keys: Any) -> None:
    page = drawn(KEYS, keys, "?x=1", totals={"spent": 4_500_000})
    assert "<a> " in page.text
    assert "=1+1" not in page.text  # it is on the next page
    assert "Total of all 4.5" in page.text
    links = page.links()
    newest = keys.order_by("-created_at")[0]
    assert f"{URL}{newest.pk}/rotate" in links
    assert "?x=1&project=Default" in links
    assert "?x=1&sort=name" in links
    assert "?x=1&sort=made" in links  # it is sorted downwards now
    following = next(link for link in links if "after=" in link)
    second = drawn(KEYS, keys, following)
    assert "=1+1" in second.text
    assert any("before=" in link for link in second.links())
    sorts = [e.attributes.get("aria-sort") for e in page.elements if e.tag == "th"]
    assert [sort for sort in sorts if sort] == ["descending"]


def test_what_does_not_sort_is_sorted_as_at_first(keys: Any) -> None:
    for query in ("?sort=secret_digest", "?sort=spent", "?sort=--made", "?sort="):
        assert drawn(KEYS, keys, query).text == drawn(KEYS, keys).text
    assert drawn(KEYS, keys, "?sort=name").text.index("<a>") > 0


def test_a_list_is_sorted_and_paged_with_the_missing_last(db: None) -> None:
    assert [line.row["model"] for line in LIST.show(asked(), ROWS).lines] == ["b", "c"]
    up = LIST.show(asked("?sort=spent"), ROWS)
    assert [line.row["model"] for line in up.lines] == ["c", "b"]
    second = LIST.show(asked(up.after_url), ROWS)
    assert [line.row["model"] for line in second.lines] == ["a"]
    assert LIST.show(asked(second.before_url), ROWS).lines == up.lines
    assert "—" in drawn(LIST, ROWS, up.after_url).text
    assert "Calls" not in drawn(LIST, ROWS).text


def test_an_empty_table_says_so(keys: Any) -> None:
    assert drawn(KEYS, keys.none()).text == "Nothing here yet."


def test_the_csv_has_the_whole_list_exact_and_harmless(keys: Any) -> None:
    request = asked("?sort=name&format=csv&after=zzz")
    assert wants_csv(request)
    answer = KEYS.csv(request, keys)
    assert answer["Content-Type"].startswith("text/csv")
    today = f"{datetime.now(UTC):%Y%m%d}"
    assert f'filename="tollgate-acme-keys-{today}.csv"' in answer["Content-Disposition"]
    head, *rows = lines(answer)
    assert head == ["name", "project", "made", "spent"]
    assert sorted(row[0] for row in rows) == ["'=1+1", "<a>", "b"]
    assert {row[3] for row in rows} == {"1.5"}
    assert all(row[2].endswith("Z") for row in rows)
    assert lines(LIST.csv(asked(), ROWS))[2] == ["c", "-5.5", "3"]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        *(("=1", "'=1"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x")),
        *(("\t=1", "'\t=1"), ("\r=1", "'\r=1"), ("\n=1", "'\n=1")),
        *(("＝1", "'＝1"), ("＋1", "'＋1"), ("－1", "'－1"), ("＠x", "'＠x")),
        *((" =1", "' =1"), ("\u3000＝1", "'\u3000＝1"), ("a=1", "a=1"), ("", "")),
        *(("\tx", "'\tx"), ("\rx", "'\rx"), ("a=1", "a=1"), (-1, -1), (None, "")),
        (True, "true"),
    ],
)
def test_cells(value: Any, cell: Any) -> None:
    assert exports.written(value) == cell


def test_a_csv_is_made_while_it_is_read() -> None:
    made = []

    def chunks() -> Any:
        for number in range(2000):
            made.append(number)
            yield [["x" * 1000]] * 10

    answer = exports.download("big", ["text"], chunks())
    pieces = iter(answer)
    next(pieces)
    next(pieces)
    assert made == [0]
    tracemalloc.start()
    size = sum(len(piece) for piece in pieces)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 19_000_000
    assert peak < 1_000_000


def test_the_server_too_takes_it_piece_by_piece() -> None:
    made = []

    def chunks() -> Any:
        for number in range(5):
            made.append(number)
            yield [[number]]

    async def take() -> list[int]:
        answer = exports.download("big", ["n"], chunks())
        return [len(made) async for _ in answer]

    assert asyncio.run(take()) == [0, 1, 2, 3, 4, 5]
