"""*Explain my balance* in the portal: the range, the figures, JSON and the bundle.

Costs about 2 s of CPU on SQLite.
"""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import Account, Entry
from billing.values.orders import CREDIT
from portal.models import Organization, Role, User
from portal.pages.money import instants
from tests.support.cast import make_call, make_key, make_member
from tests.support.portal import pages

PAGE, JSON, ZIP = "explain", "explain-json", "explain-zip"


@pytest.fixture
def alices(organization: Organization, alice: User) -> Client:
    key, _ = make_key(organization, alice)
    make_call(key, charged=3)
    make_call(key, charged=4, model="=cmd|calc")
    client = Client()
    client.force_login(alice)
    return client


def soon() -> dict[str, str]:
    """A range that ends when everything has happened: at the next whole second."""
    last = Entry.objects.order_by("created_at").last()
    assert last is not None
    begins = last.created_at - timedelta(days=2)
    return {"from": f"{begins:%Y-%m-%dT%H:%M:%S}", "until": ""}


def url(name: str) -> str:
    return reverse(name, args=["acme"])


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's clock is two seconds ahead of what was made just now."""
    usual = timezone.now
    ahead = timedelta(seconds=2)
    monkeypatch.setattr(
        "portal.pages.money.explain.timezone.now", lambda: usual() + ahead
    )


@pytest.mark.usefixtures("later")
def test_every_figure_is_there_and_adds_up(alices: Client) -> None:
    page = pages.read(alices.get(url(PAGE), soon()))
    assert "Opening and all lines come to the closing balance" in page.text
    for words in ("Credits bought", "+1,000", "−7", "993", "openai/gpt-4o", "laptop"):
        assert words in page.text
    assert not pages.misplaced(page)
    found = alices.get(url(JSON), soon()).json()
    assert found["opening"]["micros"] == 0
    assert found["closing"] == {"micros": 993 * CREDIT, "credits": "993", "version": 3}
    lines = [(line["why"], line["micros"], line["count"]) for line in found["lines"]]
    assert lines == [("purchase", 1000 * CREDIT, 1), ("usage", -7 * CREDIT, 2)]
    shares = {s["label"]: s["charged_micros"] for s in found["usage"]["model"]}
    assert shares == {"openai/gpt-4o": 3 * CREDIT, "=cmd|calc": 4 * CREDIT}
    assert found["gap_micros"] == 0


@pytest.mark.usefixtures("later")
def test_the_bundle_has_the_pages_head(alices: Client) -> None:
    answer: Any = alices.get(url(ZIP), soon())
    assert answer["Content-Type"] == "application/zip"
    content = b"".join(answer.streaming_content)
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        names = opened.namelist()
        manifest = json.loads(opened.read("explain/manifest.json"))
    assert names == [
        f"explain/{n}" for n in ("lines.jsonl", "manifest.json", "verify.py")
    ]
    assert manifest["organization"] == "acme"
    assert manifest["head"] in alices.get(url(PAGE), soon()).content.decode()


@pytest.mark.usefixtures("later")
def test_of_many_entries_the_head_is_made_for_who_asks(
    alices: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.pages.money.explain.ENTRIES_HASHED", 1)
    page = pages.read(alices.get(url(PAGE), soon()))
    [link] = [link for link in page.links() if "head=1" in link]
    assert "verify.py --head" not in page.text
    assert "verify.py --head" in pages.read(alices.get(url(PAGE) + link)).text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"from": "2026-03-02T00:00", "until": "2026-03-01T00:00"}, "ends before"),
        ({"from": "2026-03-01", "until": "2026-03-01"}, "ends before"),
        ({"until": "2199-01-01T00:00"}, "in the future"),
        ({"from": "yesterday"}, "Write a date and a time"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "Write a date and a time"),
        ({"from": "9999-12-31T23:59:59-12:00"}, "Write a date and a time"),
        ({"from": "<script>", "until": "\0"}, "Write a date and a time"),
        ({"from": "2" * 100}, "at most 40 characters"),
    ],
    ids=("reversed", "empty", "future", "words", "first", "last", "junk", "long"),
)
def test_a_bad_range_is_said_beside_its_field(
    alices: Client, given: dict[str, str], said: str
) -> None:
    answer = alices.get(url(PAGE), given)
    page = pages.read(answer)
    assert answer.status_code == 400
    assert said in page.text
    assert "Closing balance" not in page.text
    values = [e.attributes.get("value") for e in page.elements if e.tag == "input"]
    for value in given.values():
        assert value in values or "\0" in value
    for name in (JSON, ZIP):
        refused = alices.get(url(name), given)
        assert refused.status_code == 400
        assert refused.json()["errors"]


def test_without_a_range_it_is_this_month(alices: Client) -> None:
    Account.objects.update(time_zone="America/New_York")
    page = pages.read(alices.get(url(PAGE)))
    first = timezone.now().astimezone(ZoneInfo("America/New_York")).replace(day=1)
    assert "Times are of America/New_York" in page.text
    inputs = {e.attributes.get("name"): e for e in page.elements if e.tag == "input"}
    assert inputs["from"].attributes["value"] == f"{first:%Y-%m-%d}T00:00:00"


def test_billing_sees_it_and_developers_and_viewers_do_not(
    organization: Organization,
) -> None:
    for role, status in (
        (Role.BILLING, 200),
        (Role.DEVELOPER, 404),
        (Role.VIEWER, 404),
    ):
        client = Client()
        client.force_login(make_member(organization, f"{role}@e.org", role))
        assert client.get(url(PAGE)).status_code == status


BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59"),
        ("2026-03-29 03:00", "2026-03-29T01:00:00"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00"),  # the first of both
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00"),
        ("2026-10-25T02:30:00 01:00", "2026-10-25T01:30:00"),
        ("2026-10-25T01:30:00Z", "2026-10-25T01:30:00"),
        ("2026-10-25", "2026-10-24T22:00:00"),
    ],
    ids=("before", "after", "twice", "second", "blank", "utc", "day"),
)
def test_instants_over_a_change_of_the_clocks(text: str, utc: str) -> None:
    found = instants.InstantField(BERLIN, NOW).clean(text)
    assert found == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    again = instants.written(found, BERLIN)
    assert instants.InstantField(BERLIN, NOW).clean(again) == found


def test_an_hour_that_never_was_is_refused() -> None:
    with pytest.raises(ValidationError, match="never was"):
        instants.InstantField(BERLIN, NOW).clean("2026-03-29T02:30:00")
