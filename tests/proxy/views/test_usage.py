"""`GET /v1/usage` and `GET /v1/credits`: what a plain key may read, and how it is
refused what makes no sense."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing import grants
from billing.models.grant import GrantSource
from billing.values.orders import CREDIT
from portal.models import ApiKey, Organization, Role, User
from portal.tenants import key_rights, keys, projects
from proxy.http.errors import GatewayError
from proxy.views import credits, usage
from proxy.views.key import describe as describe_key
from tests.support.cast import (
    OPERATOR,
    actor_of,
    make_call,
    make_key,
    make_member,
)
from tests.support.gateway.customers import Customer
from tests.support.ledger.clocks import Clock
from tests.support.services.gateway import Gateway

NOON = datetime(2026, 10, 12, 12, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    clock.moment = NOON
    if "live_gateway" not in request.fixturenames:
        monkeypatch.setattr("billing.values.clock.source", clock)
    return clock


def ask(secret: str, **query: str) -> dict[str, Any]:
    return usage.answer(keys.verify(secret), query)


def rows(document: dict[str, Any], *names: str) -> list[tuple[Any, ...]]:
    return [
        tuple(row[name] for name in (*names, "charged"))
        for bucket in document["data"]
        for row in bucket["results"]
    ]


@pytest.fixture
def own(clock: Clock, organization: Organization, bob: User) -> tuple[ApiKey, str]:
    """Bob's, with three calls; alice has called with another key."""
    key, secret = make_key(organization, bob, "bobs key")
    other, _ = make_key(organization, organization.memberships.get(role="owner").user)
    make_call(key, charged=3)
    make_call(other, charged=50)
    clock.advance(days=1)
    make_call(key, charged=4, model="fal-ai/flux")
    make_call(key, charged=5)
    return key, secret


def test_it_is_of_the_key_by_day_model_and_operation(own: tuple[ApiKey, str]) -> None:
    document = ask(own[1], start="2026-10-12", group_by="operation,model")
    assert document["total"] == {
        "requests": 3,
        "prompt_tokens": 15,
        "completion_tokens": 21,
        "charged": "12",
        "charged_micros": 12 * CREDIT,
    }
    assert rows(document, "model", "operation") == [
        ("openai/gpt-4o", "chat", "3"),
        *(("openai/gpt-4o", "chat", "5"), ("fal-ai/flux", "chat", "4")),
    ]
    day = document["data"][0]
    assert day["start_time"] == int(datetime(2026, 10, 12, tzinfo=UTC).timestamp())
    assert day["end_time"] - day["start_time"] == 86_400
    total = ask(own[1], bucket="none")
    assert rows(total) == [("12",)]
    assert len(ask(own[1], start="2026-10-12T12:00Z", end="1791900000")["data"]) == 2


def test_a_rotated_key_goes_on_counting(own: tuple[ApiKey, str], bob: User) -> None:
    key, _ = own
    _, secret = keys.rotate(key, timedelta(0), actor=actor_of(bob))
    assert ask(secret)["total"]["charged"] == "12"


def test_buckets_come_in_pages(own: tuple[ApiKey, str]) -> None:
    query = {"start": "2026-10-11", "end": "2026-10-14", "limit": "2"}
    first = ask(own[1], **query)
    assert rows(first) == [("0",), ("3",)]
    assert (first["has_more"], first["next_page"]) == (True, "2")
    second = ask(own[1], **query, page="2")
    assert rows(second) == [("9",)]
    assert (second["has_more"], second["next_page"]) == (False, None)
    assert first["total"] == second["total"]


def test_a_project_is_told_to_a_key_that_may_see_it(
    own: tuple[ApiKey, str], organization: Organization, alice: User
) -> None:
    key, secret = own
    with pytest.raises(GatewayError) as refused:
        ask(secret, scope="project")
    assert (refused.value.status, refused.value.param) == (403, "scope")
    both = {"sees_balance": False, "sees_project": True}
    assert key_rights.give(key, actor=actor_of(alice), **both)
    assert not key_rights.give(key, actor=actor_of(alice), **both)
    document = ask(secret, scope="project", group_by="key,holder", bucket="none")
    assert rows(document, "key", "holder") == [
        ("laptop", "alice@example.com", "50"),
        ("bobs key", "bob@example.com", "12"),
    ]
    elsewhere = projects.create(organization, "Elsewhere", actor=OPERATOR)
    foreign, _ = keys.issue(elsewhere, "other", actor=actor_of(alice))
    make_call(foreign, charged=9)
    assert ask(secret, scope="project")["total"]["charged"] == "62"


@pytest.mark.parametrize(
    ("param", "query"),
    [
        ("start", {"start": "yesterday"}),
        ("start", {"start": "9" * 30}),
        ("start", {"start": "2026-10-12", "end": "2026-10-12"}),
        ("start", {"start": "2026-10-12", "end": "2026-10-11"}),
        ("start", {"start": "1970-01-01", "end": "1970-01-02"}),
        ("start", {"start": "2020-01-01", "end": "2026-01-01"}),
        ("end", {"end": "2026-13-01"}),
        ("bucket", {"bucket": "minute"}),
        ("bucket", {"bucket": "quarter", "start": "2026-08-01"}),
        ("group_by", {"group_by": "model,key"}),
        ("group_by", {"group_by": "colour"}),
        ("scope", {"scope": "organization"}),
        ("time_zone", {"time_zone": "Mars/Olympus"}),
        ("limit", {"limit": "0"}),
        ("limit", {"limit": "1001"}),
        ("page", {"page": "-1"}),
        ("colour", {"colour": "red"}),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    own: tuple[ApiKey, str], param: str, query: dict[str, str]
) -> None:
    with pytest.raises(GatewayError) as refused:
        ask(own[1], **query)
    assert (refused.value.status, refused.value.param) == (400, param)


# --- credits ------------------------------------------------------------------------


def test_credits_are_told_by_kind_and_end(
    organization: Organization, alice: User
) -> None:
    _, secret = make_key(organization, alice)
    for source, micros, end in (
        (GrantSource.PROMOTION, 5 * CREDIT, NOON + timedelta(days=3)),
        (GrantSource.PURCHASE, 7 * CREDIT, NOON + timedelta(days=30)),
    ):
        grants.issue(
            organization.account_id,
            micros,
            source=source,
            reference=f"test:{source}",
            expires_at=end,
        )
    found = credits.describe(keys.verify(secret))
    assert (found["purchased"], found["granted"], found["balance"]) == (
        *("1007", "5", "1012"),
    )
    assert [(each["source"], each["remaining"]) for each in found["expiring"]] == [
        *(("promotion", "5"), ("purchase", "7")),
    ]
    assert found["expiring"][0]["expires_at"] == int(NOON.timestamp()) + 3 * 86_400
    assert (found["held"], found["in_doubt"], found["available"], found["owed"]) == (
        *("0", "0", "1012", "0"),
    )
    assert found["sees_balance"] is True


def test_a_developers_key_tells_no_balance_unless_it_is_allowed(
    own: tuple[ApiKey, str], alice: User
) -> None:
    key, secret = own
    for document in (
        credits.describe(keys.verify(secret)),
        describe_key(keys.verify(secret)),
    ):
        money = [*("balance", "held", "available", "owed", "available_micros")]
        assert [document[name] for name in money] == [None] * 5
        assert document["binds"]["left"] is None
        # As words: a random name may have these digits in it.
        assert not re.search(r"\b(1000|938)(0{6})?\b", str(document))
    key_rights.give(key, sees_balance=True, sees_project=False, actor=actor_of(alice))
    found = credits.describe(keys.verify(secret))
    assert (found["available"], found["sees_balance"]) == ("938", True)


def test_whose_holder_may_see_money_sees_it_by_key(
    organization: Organization,
) -> None:
    admin = make_member(organization, "a@example.com", Role.ADMIN)
    _, secret = make_key(organization, admin)
    assert keys.verify(secret).sees_balance
    membership = organization.memberships.get(user=admin)
    membership.role = Role.DEVELOPER
    membership.save()
    assert not keys.verify(secret).sees_balance


def test_both_are_routes(live_gateway: Gateway, customer: Customer) -> None:
    reply = customer.http(live_gateway).get("/credits").raise_for_status()
    assert reply.json()["available"] == "100000"
    reply = customer.http(live_gateway).get("/usage?group_by=model").raise_for_status()
    assert reply.json()["object"] == "page"
    refused = customer.http(live_gateway).get("/usage?start=x")
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "start"
