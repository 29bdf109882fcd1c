"""The page of usage: what of it who sees, filters, comparison, drilling, its CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.test import Client

from billing import holds, usage_days
from billing.models import Spender
from billing.values.orders import CREDIT, Place, Settle, Usage
from portal.models import ApiKey, AuditEvent, Organization, Role, SavedView, User
from tests.support.cast import make_call, make_key, make_member
from tests.support.ledger.clocks import Clock
from tests.support.portal import pages

pytestmark = pytest.mark.once
NOON = datetime(2026, 10, 12, 12, 5, tzinfo=UTC)
DAY = {"from": "2026-10-12T00:00", "to": "2026-10-13T00:00"}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    clock.moment = NOON
    monkeypatch.setattr("billing.values.clock.source", clock)
    return clock


@pytest.fixture
def key(clock: Clock, organization: Organization, alice: User, bob: User) -> ApiKey:
    """Alice's, with calls of two days and two models; bob has one of his own."""
    key, _ = make_key(organization, alice, "alices key")
    own, _ = make_key(organization, bob, "bobs key")
    make_call(key, charged=3)
    clock.advance(hours=1)
    make_call(key, charged=40, model="fal-ai/flux")
    clock.advance(days=1)
    make_call(own, charged=5)
    return key


def read(client: Client, user: User, **query: str) -> pages.Page:
    client.force_login(user)
    return pages.read(client.get("/o/acme/usage/", query))


def rows_of(client: Client, user: User, **query: str) -> list[dict[str, str]]:
    client.force_login(user)
    answer: Any = client.get("/o/acme/usage/", {**query, "format": "csv"})
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_it_adds_up_by_each_dimension(client: Client, alice: User, key: ApiKey) -> None:
    span = {"from": "2026-10-12T00:00", "to": "2026-10-14T00:00"}
    text = read(client, alice, **span).text
    assert "By model" in text
    assert "fal-ai/flux 1 12 40 83.3 %" in text
    assert "Total of all 3 36 48" in text
    assert "alices key 2 24 43" in read(client, alice, **span, by="key").text
    assert "bob@example.com 1 12 5" in read(client, alice, **span, by="holder").text
    text = read(client, alice, **span, by="session", metric="tokens").text
    assert "no session 3 36 48 100.0 %" in text
    for by in ("project", "operation", "client"):
        assert "Total of all 3 36 48" in read(client, alice, **span, by=by).text


def test_a_bar_leads_to_its_hours_and_an_hour_to_its_quarters(
    client: Client, alice: User, key: ApiKey
) -> None:
    page = read(client, alice, **{"from": "2026-10-12T00:00", "to": "2026-10-20T00:00"})
    day = "?from=2026-10-12T00%3A00&to=2026-10-13T00%3A00"
    assert day in page.links()
    client.force_login(alice)
    page = pages.read(client.get(f"/o/acme/usage/{day}"))
    assert "12 Oct 13:00 1 12 40" in page.text
    hour = "?from=2026-10-12T13%3A00&to=2026-10-12T14%3A00"
    assert hour in page.links()
    page = pages.read(client.get(f"/o/acme/usage/{hour}"))
    assert "12 Oct 13:00 1 12 40" in page.text
    assert "12 Oct 13:15 0 0 0" in page.text


def test_a_name_is_a_filter_and_a_foreign_one_is_missing(
    client: Client, alice: User, key: ApiKey, mallory: User
) -> None:
    page = read(client, alice, by="key", **DAY)
    wanted = f"key={key.spender_id}"
    assert [link for link in page.links() if wanted in link]
    text = read(client, alice, key=str(key.spender_id), **DAY).text
    assert "Key: alices key" in text
    assert "Total of all 2 24 43" in text
    client.force_login(alice)
    elsewhere = Organization.objects.get(slug="elsewhere")
    foreign = make_key(elsewhere, mallory)[0]
    holder = foreign.spender.holder_id
    for query in (
        *({"key": str(each)} for each in (foreign.spender_id, 10**9, "x")),
        *({"holder": str(holder)}, {"project": str(key.spender.holder_id)}),
        *({"by": "nothing"}, {"metric": "x"}, {"bucket": "x"}),
    ):
        assert client.get("/o/acme/usage/", query).status_code == 404
    assert client.get("/o/acme/usage/", {"from": "x"}).status_code == 200


def test_compared_with_the_period_before(
    client: Client, alice: User, key: ApiKey
) -> None:
    span = {"from": "2026-10-13T00:00", "to": "2026-10-14T00:00"}
    text = read(client, alice, **span, compare="1").text
    assert "openai/gpt-4o 1 12 5 100.0 % 3" in text
    assert "fal-ai/flux 0 0 0 0.0 % 40" in text
    assert "−88 %" in text
    assert "the period before" in text


def test_a_month_of_31_days_is_compared_with_one_of_30(
    client: Client, alice: User, key: ApiKey, clock: Clock
) -> None:
    clock.moment = datetime(2026, 11, 20, tzinfo=UTC)
    with time_machine.travel(clock.moment):
        page = read(client, alice, range="previous-month", compare="1")
    assert "31 Oct" in page.text
    assert "0 0 0 —" in page.text  # it has no day before it


def test_sessions_that_are_too_many_are_one_row(
    client: Client,
    alice: User,
    organization: Organization,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, _ = make_key(organization, alice)
    for charged, session in ((3, "a"), (5, "b"), (7, "")):
        hold_id = uuid4().hex
        account_id = organization.account_id
        place = Place(
            hold_id,
            account_id,
            key.spender_id,
            charged * CREDIT,
            "chat",
            "m",
            clock.moment + timedelta(minutes=5),
            session=session,
        )
        settle = Settle(hold_id, account_id, Usage("upstream", charged * CREDIT))
        holds.commit([place])
        holds.commit([settle])
    monkeypatch.setattr("billing.reports.usage.SESSIONS_MAX", 2)
    text = read(client, alice, by="session", compare="1", **DAY).text
    assert "no session 1 0 7 46.7 % 0 b 1 0 5 33.3 % 0 all others 1 0 3" in text
    assert "Total of all 3 0 15" in text


def test_who_sees_what(
    client: Client, alice: User, bob: User, key: ApiKey, organization: Organization
) -> None:
    span = {"from": "2026-10-12T00:00", "to": "2026-10-14T00:00"}
    text = read(client, bob, **span).text
    assert "Total of all 1 12 5" in text
    assert "flux" not in text
    assert [row["credits"] for row in rows_of(client, bob, **span)] == ["5"]
    client.force_login(bob)
    other = {"key": str(key.spender_id), **span}
    assert "alices key" not in read(client, bob, by="model", **span).text
    assert "Nothing was used" in read(client, bob, **other).text
    viewer = make_member(organization, "v@example.com", Role.VIEWER)
    page = read(client, viewer, **span)
    assert "Total of all 3 36 48" in page.text
    assert "?by=key" not in " ".join(page.links())
    assert client.get("/o/acme/usage/", {"by": "key"}).status_code == 404
    assert client.get("/o/acme/usage/", {"by": "holder"}).status_code == 404
    assert "key" not in rows_of(client, viewer, **span)[0]


def test_the_csv_has_everything_and_the_same_sum(
    client: Client, alice: User, key: ApiKey, organization: Organization
) -> None:
    while usage_days.add_next(organization.account_id):
        pass
    rows = rows_of(
        client, alice, **{"from": "2026-10-01T00:00", "to": "2026-10-30T00:00"}
    )
    assert [
        (row["begins"], row["key"], row["model"], row["credits"]) for row in rows
    ] == [
        ("2026-10-12", "alices key", "fal-ai/flux", "40"),
        ("2026-10-12", "alices key", "openai/gpt-4o", "3"),
        ("2026-10-13", "bobs key", "openai/gpt-4o", "5"),
    ]
    assert {row["holder"] for row in rows} == {"alice@example.com", "bob@example.com"}
    (row,) = rows_of(client, alice, model="fal-ai/flux", bucket="hour", **DAY)
    assert row["begins"] == "2026-10-12T13:00+0000"


def test_a_cell_is_no_formula(client: Client, alice: User, key: ApiKey) -> None:
    Spender.objects.filter(id=key.spender_id).update(label="=1+1")
    assert "'=1+1" in {row["key"] for row in rows_of(client, alice, **DAY)}


# --- saved views --------------------------------------------------------------------


@pytest.fixture
def post(client: Client) -> Callable[..., Any]:
    def post(user: User, path: str, **form: str) -> Any:
        client.force_login(user)
        return client.post(f"/o/acme/usage/views/{path}", form)

    return post


def test_a_view_is_saved_opened_renamed_and_deleted(
    client: Client, alice: User, organization: Organization, post: Callable[..., Any]
) -> None:
    query = "range=7d&by=key&after=xyz&format=csv&evil=1"
    for _ in range(2):  # a double click
        answer = post(alice, "new", name="Week by key", query=query)
        assert answer["location"] == "/o/acme/usage/?range=7d&by=key"
    view = SavedView.objects.get()
    page = read(client, alice, range="7d", by="key")
    assert "?range=7d&by=key" in page.links()
    assert "Week by key" in page.text
    again = post(alice, "new", name="Week by key", query="by=model")
    assert "have a view of this name already" in again.content.decode()
    assert 'value="by=model"' in again.content.decode()
    assert post(alice, f"{view.pk}", name="Renamed", is_shared="on").status_code == 302
    view.refresh_from_db()
    assert (view.name, view.is_shared) == ("Renamed", True)
    for _ in range(2):
        assert post(alice, f"{view.pk}/delete").status_code == 302
    assert "Renamed" not in read(client, alice).text
    events = AuditEvent.objects.filter(action__startswith="saved_view")
    assert sorted(events.values_list("action", flat=True)) == [
        *("saved_view.change", "saved_view.create", "saved_view.delete"),
    ]


def test_what_is_shared_is_seen_by_all_and_changed_by_few(
    client: Client,
    alice: User,
    bob: User,
    organization: Organization,
    mallory: User,
    post: Callable[..., Any],
) -> None:
    billing = make_member(organization, "b@example.com", Role.BILLING)
    post(billing, "new", name="shared one", query="by=key", is_shared="on")
    post(billing, "new", name="my own", query="by=key")
    post(bob, "new", name="bobs", query="by=model", is_shared="on")
    shared, own = SavedView.objects.order_by("id")[:2]
    assert not SavedView.objects.get(name="bobs").is_shared
    text = read(client, bob).text
    assert "shared one" in text
    assert "my own" not in text
    for user, view, status in (
        *((bob, shared, 404), (bob, own, 404), (alice, own, 404), (mallory, own, 404)),
        (alice, shared, 302),
    ):
        assert post(user, f"{view.pk}/delete").status_code == status
    assert post(billing, f"{own.pk}", name="\x07").status_code == 200
    assert post(billing, f"{own.pk}", name="x" * 10_000).status_code == 200
    assert list(SavedView.objects.filter(deleted_at=None).values_list("name")) == [
        *(("bobs",), ("my own",))
    ]


def test_queries_do_not_grow(
    client: Client,
    alice: User,
    organization: Organization,
    clock: Clock,
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(12):
        key, _ = make_key(organization, alice, f"key {number}")
        make_call(key, model=f"model-{number}")
        clock.advance(hours=5)
    client.force_login(alice)
    with django_assert_max_num_queries(40):
        answer = client.get("/o/acme/usage/", {"by": "key", "compare": "1"})
    assert "key 11" in answer.content.decode()
