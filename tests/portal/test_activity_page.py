"""Activity: the list, its filters and links, its CSV, and only what one may see."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing import budgets, envelopes
from billing.values import clock
from billing.values.orders import CREDIT
from portal.models import ApiKey, Organization, Role, User
from portal.pages.usage import activity
from tests.support.cast import make_call, make_key, make_member
from tests.support.portal import pages

pytestmark = pytest.mark.once
URL = "/o/acme/activity/"


@pytest.fixture
def key(organization: Organization, alice: User) -> ApiKey:
    return make_key(organization, alice, "server")[0]


def look(client: Client, user: User, query: str = "") -> pages.Page:
    client.force_login(user)
    return pages.read(client.get(URL + query))


def listed(page: pages.Page) -> list[str]:
    """The request ids of the rows."""
    rows = [e.attributes.get("data-row") for e in page.elements]
    return [row for row in rows if row]


def test_it_waits_for_the_first_request(
    client: Client, alice: User, organization: Organization
) -> None:
    page = look(client, alice)
    assert "Waiting for the first request…" in page.text
    assert "curl http://127.0.0.1:8000/v1/chat/completions" in page.text


def test_a_call_is_a_row_of_links(client: Client, alice: User, key: ApiKey) -> None:
    hold_id = make_call(key, charged=3, model="openai/gpt-4o")
    page = look(client, alice)
    assert listed(page) == [f"req_{hold_id}"]
    assert f"{URL}req_{hold_id}/" in page.links()
    for link in ("model=openai%2Fgpt-4o", f"key={key.spender_id}", "operation=chat"):
        assert f"?{link}" in page.links()
    assert "Credits 3 Tokens 12" in page.text
    # Held, charged, and the tokens in and out.
    assert "6 3 5 / 7" in page.text


def test_a_filter_narrows_list_totals_and_csv_alike(
    client: Client, alice: User, key: ApiKey
) -> None:
    make_call(key, charged=3, model="a")
    wanted = {f"req_{make_call(key, charged=2, model='b')}" for _ in range(2)}
    page = look(client, alice, "?model=b")
    assert set(listed(page)) == wanted
    assert "Credits 4 " in page.text
    answer = client.get(f"{URL}?model=b&format=csv")
    found = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert {row["request_id"] for row in found} == wanted
    assert [row["charged"] for row in found] == ["2", "2"]


def test_pages_are_cut_by_place_and_hold_no_call_twice(
    client: Client, alice: User, key: ApiKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "TABLE", replace(activity.TABLE, size=2))
    calls = [f"req_{make_call(key, charged=1)}" for _ in range(5)]
    first = look(client, alice)
    assert listed(first) == calls[:2:-1]
    newest = f"req_{make_call(key, charged=1)}"
    second = look(client, alice, _link(first, "after"))
    assert listed(second) == calls[2:0:-1]
    last = look(client, alice, _link(second, "after"))
    assert listed(last) == [calls[0]]
    assert not [link for link in last.links() if "after=" in link]
    back = look(client, alice, _link(second, "before"))
    assert listed(back) == calls[:2:-1]
    assert listed(look(client, alice)) == [newest, calls[4]]
    assert listed(look(client, alice, "?after=nonsense")) == [newest, calls[4]]


def _link(page: pages.Page, name: str) -> str:
    return next(link for link in page.links() if f"{name}=" in link)


def test_what_is_polled_is_the_list_alone_and_only_when_it_changed(
    client: Client, alice: User, key: ApiKey
) -> None:
    make_call(key)
    client.force_login(alice)
    headers = {"HX-Request": "true"}
    first = client.get(URL, headers=headers)
    assert b"<html" not in first.content
    headers["If-None-Match"] = first["ETag"]
    assert client.get(URL, headers=headers).status_code == 204
    hold_id = make_call(key)
    assert f"req_{hold_id}".encode() in client.get(URL, headers=headers).content


def test_who_sees_which_calls_and_names(
    client: Client, alice: User, bob: User, organization: Organization, key: ApiKey
) -> None:
    theirs = f"req_{make_call(key)}"
    own_key = make_key(organization, bob, "bobs")[0]
    own = f"req_{make_call(own_key)}"
    viewer = make_member(organization, "v@example.com", Role.VIEWER)
    billing = make_member(organization, "b@example.com", Role.BILLING)
    assert listed(look(client, bob)) == [own]
    assert client.get(f"{URL}?key={key.spender_id}").status_code == 200
    assert listed(look(client, bob, f"?key={key.spender_id}")) == []
    for user in (alice, billing, viewer):
        assert listed(look(client, user)) == [own, theirs]
    assert "server" not in look(client, viewer).text
    assert "alice@example.com" not in look(client, viewer).text.replace("Sign out", "")
    assert client.get(f"{URL}?key={key.spender_id}").status_code == 404
    answer = client.get(f"{URL}?format=csv").getvalue().decode()
    assert "server" not in answer
    assert "server" in look(client, billing).text


def test_calls_of_a_run_are_listed_under_the_key_that_opened_it(
    client: Client, bob: User, organization: Organization
) -> None:
    key = make_key(organization, bob)[0]
    run = envelopes.open_envelope(
        UUID(int=7), key.spender_id, CREDIT * 50, expires_at=_later()
    )
    key.spender_id = run.spender_id
    hold_id = make_call(key)
    assert listed(look(client, bob)) == [f"req_{hold_id}"]
    assert listed(look(client, bob, f"?key={run.parent_spender_id}"))


def _later() -> datetime:
    return clock.now() + timedelta(hours=1)


def test_a_time_without_calls_says_when_the_last_one_was(
    client: Client, alice: User, key: ApiKey
) -> None:
    make_call(key)
    page = look(client, alice, "?from=2020-01-01T00:00&to=2020-01-02T00:00")
    assert "No call in this time" in page.text
    assert "The latest call was made just now" in page.text


def test_a_request_is_found_by_the_beginning_of_its_id(
    client: Client, alice: User, key: ApiKey
) -> None:
    hold_id = make_call(key)
    query = f"?id=req_{hold_id[:10]}&from=2020-01-01T00:00&to=2020-01-02T00:00"
    assert listed(look(client, alice, query)) == [f"req_{hold_id}"]
    page = look(client, alice, "?id=req_12")
    assert "Give 8 characters of the request id at least" in page.text


@pytest.mark.parametrize(
    "query",
    ["?state=lost", "?key=x", "?key=999999", "?project=1e3", "?streamed=perhaps"],
)
def test_a_filter_that_there_is_not_is_not_found(
    client: Client, alice: User, organization: Organization, query: str
) -> None:
    client.force_login(alice)
    assert client.get(URL + query).status_code == 404


def test_names_from_outside_do_nothing_in_the_page(
    client: Client, alice: User, key: ApiKey
) -> None:
    model = "<script>x</script>\"'><x-pwned>"
    make_call(key, model=model)
    page = look(client, alice)
    assert not pages.misplaced(page)
    assert model in page.text


def test_the_page_asks_the_same_number_of_questions_whatever_there_is(
    client: Client,
    alice: User,
    organization: Organization,
    key: ApiKey,
) -> None:
    client.force_login(alice)
    counts = []
    for more in (1, 12):
        for number in range(more):
            make_call(make_key(organization, alice, f"key {more}-{number}")[0])
        with CaptureQueriesContext(connection) as asked:
            client.get(URL)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_a_list_shows_times_of_the_organizations_zone(
    client: Client, alice: User, organization: Organization, key: ApiKey
) -> None:
    budgets.set_time_zone(organization.account_id, "Asia/Kathmandu")
    make_call(key)
    client.force_login(alice)
    html = client.get(URL).content.decode()
    found = re.search(
        r'<time datetime="([^"]+)" title="([^"]+) UTC">([^<]+)</time>', html
    )
    assert found is not None
    there = datetime.fromisoformat(found[1]).astimezone(ZoneInfo("Asia/Kathmandu"))
    assert found[3] == f"{there:%Y-%m-%d %H:%M:%S}"
    assert "(Asia/Kathmandu)" in html
