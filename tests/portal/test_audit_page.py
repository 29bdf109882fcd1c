"""The audit page: what it shows of whom to whom, its filters, its exports, its chain.

Costs 3 s: every test rolls back.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from billing.values import clock
from portal.models import Organization, Role, User
from portal.tenants import audit, members, organizations
from tests.support.cast import actor_of, make_member
from tests.support.portal import pages
from tests.support.portal.limited import make_budget
from tests.support.portal.trails import TABLE, run, settle, unguard

pytestmark = pytest.mark.once

URL = "/o/acme/settings/audit/"
BAD = '=1+1<script>alert("x")</script>'


@pytest.fixture
def as_alice(client: Client, alice: User, organization: Organization) -> Client:
    """An owner, after something was done: renamed, a role changed, a limit set."""
    organizations.change(organization, name="Rocket", actor=actor_of(alice))
    bob = make_member(organization, "bob@example.com", Role.DEVELOPER)
    membership = organization.memberships.get(user=bob)
    members.change_role(membership, Role.VIEWER, actor=actor_of(alice))
    make_budget(organization, actor=actor_of(alice))
    settle()
    client.force_login(alice)
    return client


def text_of(client: Client, query: str = "") -> str:
    answer = client.get(URL + query)
    assert answer.status_code == 200
    return pages.read(answer).text


def streamed(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def lines(client: Client, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"{URL}?format=jsonl{query}")
    return [json.loads(line) for line in streamed(answer).splitlines()]


def test_a_line_says_who_did_what_from_where_and_what_it_was_before(
    as_alice: Client,
) -> None:
    text = text_of(as_alice)
    assert "alice@example.com organization.change acme name Acme → Rocket" in text
    assert "192.0.2.7" in text
    assert "developer" in text
    assert "The lines above are as they were written" in text


@pytest.mark.parametrize(
    ("query", "actions"),
    [
        ("&action=member", {"member.add", "member.change_role"}),
        ("&action=member.add", {"member.add"}),
        ("&actor=test", {"organization.create", "member.add"}),
        ("&target=bob", {"member.add", "member.change_role"}),
        ("&actor=nobody@example.com", set()),
        ("&from=2020-01-01T00:00&to=2020-01-02T00:00", set()),
    ],
)
def test_it_is_filtered(as_alice: Client, query: str, actions: set[str]) -> None:
    assert {line["action"] for line in lines(as_alice, query)} == actions
    assert as_alice.get(f"{URL}?{query[1:]}").status_code == 200


def test_who_sees_the_money_sees_what_was_done_with_it(
    as_alice: Client, organization: Organization
) -> None:
    user = make_member(organization, "bill@example.com", Role.BILLING)
    as_alice.force_login(user)
    assert {line["action"] for line in lines(as_alice)} == {"budget.set"}
    assert "member.change_role" not in text_of(as_alice)
    assert "Of what is about money" in text_of(as_alice, "?check=all")


def test_the_lines_prove_themselves_offline(as_alice: Client) -> None:
    reached = ""
    found = lines(as_alice)
    assert [line["number"] for line in found] == list(range(1, len(found) + 1))
    for line in found:
        number, digest, chain = (line.pop(n) for n in ("number", "digest", "chain"))
        text = json.dumps(
            line, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        assert digest == sha256(text.encode()).hexdigest()
        reached = sha256(f"{reached}\n{number}\n{digest}".encode()).hexdigest()
        assert chain == reached
    assert chain in text_of(as_alice)


def test_the_csv_has_every_line_and_no_formula(
    as_alice: Client, organization: Organization, alice: User
) -> None:
    organizations.change(organization, name="=1+1", actor=actor_of(alice))
    audit.record(
        "test.act", actor=actor_of(alice), organization=organization, target=BAD
    )
    settle()
    answer = as_alice.get(f"{URL}?format=csv")
    rows = list(csv.DictReader(streamed(answer).splitlines()))
    assert len(rows) == 7
    assert rows[0]["target"] == f"'{BAD}"
    assert all(row["chain"] and row["digest"] for row in rows)
    assert json.loads(rows[1]["detail"])["after"] == {"name": "=1+1"}


def test_what_people_wrote_is_text(
    as_alice: Client, organization: Organization, alice: User
) -> None:
    audit.record(
        "test.act",
        actor=audit.Actor(None, BAD),
        organization=organization,
        target=BAD,
        before={"name": BAD},
        after={"name": [BAD]},
        reason=BAD,
    )
    settle()
    answer = as_alice.get(URL)
    assert pages.misplaced(pages.read(answer)) == []
    assert answer.content.decode().count("&lt;script&gt;") >= 5


@pytest.mark.parametrize("query", ["", "?check=all"])
def test_a_line_that_was_changed_is_named(
    as_alice: Client, organization: Organization, query: str
) -> None:
    unguard()
    run(f"UPDATE {TABLE} SET target = 'x' WHERE action = 'member.add'")
    assert "Line 3 is not as it was written" in text_of(as_alice, query)


def test_a_missing_line_is_noticed_at_the_end_too(as_alice: Client) -> None:
    assert "All 5 lines are as they were written" in text_of(as_alice, "?check=all")
    unguard()
    run(f"DELETE FROM {TABLE} WHERE action = 'member.add'")
    assert "Line 4 does not follow on the row before it" in text_of(as_alice)
    run(f"DELETE FROM {TABLE} WHERE action = 'budget.set'")
    assert "Line 5 was the last one written" in text_of(as_alice, "?check=all")


@pytest.fixture
def a_year_ago() -> Iterator[None]:
    usual = clock.source
    clock.source = lambda: datetime.now(UTC) - timedelta(days=365)
    yield
    clock.source = usual


def test_a_page_has_fifty_lines_and_the_same_queries_for_all_of_them(
    as_alice: Client,
    organization: Organization,
    alice: User,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    as_alice.get(URL)
    with CaptureQueriesContext(connection) as few:
        as_alice.get(URL)
    for count in range(60):
        audit.record(
            "test.act", actor=actor_of(alice), organization=organization, count=count
        )
    settle()
    with django_assert_num_queries(len(few)):
        page = pages.read(as_alice.get(URL))
    following = next(link for link in page.links() if "after=" in link)
    second = text_of(as_alice, following)
    assert "organization.create" in second
    assert "count 59" not in second


def test_what_is_long_ago_is_not_shown_but_exported_when_asked_for(
    a_year_ago: None, organization: Organization, alice: User, client: Client
) -> None:
    settle()
    clock.source = clock.system
    client.force_login(alice)
    assert "Nothing was done in this time" in text_of(client)
    asked = "&from=2024-01-01T00:00"
    assert [line["number"] for line in lines(client, asked)] == [1]
