"""`GET /v1/key`: what the key is and has, and the rules of all free questions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from billing.reports.balance import balance_of
from billing.values.orders import CREDIT
from portal.tenants import keys
from tests.support.cast import actor_of
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json

QUESTIONS: list[tuple[str, str]] = [
    ("GET", "/key"),
    ("POST", "/quote"),
    ("GET", f"/requests/req_{'0' * 32}"),
]
QUOTE = {"operation": "chat.completions", "request": {"messages": SAY_HI}}


def key_of(gateway: Gateway, customer: Customer) -> dict[str, Any]:
    reply = customer.http(gateway).get("/key").raise_for_status()
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-request-id"].startswith("req_")
    document: dict[str, Any] = reply.json()
    return document


def test_a_key_says_what_it_is_and_what_there_is_to_spend(
    live_gateway: Gateway, customer: Customer
) -> None:
    found = key_of(live_gateway, customer)
    project = customer.key.project

    assert found["object"] == "key"
    assert found["id"] == customer.key.public_id == customer.secret[8:16]
    assert found["hint"] == customer.key.hint
    assert found["label"] == "laptop"
    organization = customer.organization
    assert found["organization"] == {
        "slug": organization.slug,
        "name": organization.name,
        "time_zone": "UTC",
    }
    assert found["project"] == {"slug": project.slug, "name": project.name}
    assert found["created_at"] == int(customer.key.created_at.timestamp())
    assert found["expires_at"] is None
    assert (found["balance"], found["balance_micros"]) == ("100000", 10**11)
    assert (found["held"], found["held_micros"]) == ("0", 0)
    assert (found["available"], found["available_micros"]) == ("100000", 10**11)
    assert (found["owed"], found["owed_micros"]) == ("0", 0)
    assert found["limits"] == []
    assert (found["limit"], found["limit_remaining"]) == (None, None)
    # The secret is known to who asks, and is still nobody's to repeat.
    assert customer.secret[16:] not in str(found)


def test_the_usage_is_the_keys_own_and_the_credits_are_everybodys(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=7))
    for _ in range(2):
        customer.chat(live_gateway, "m")
    expires_at = timezone.now() + timedelta(days=1)
    _, other = customer.new_key(name="phone", expires_at=expires_at)
    mine = key_of(live_gateway, customer)
    headers = {"authorization": f"Bearer {other}"}
    theirs = customer.http(live_gateway).get("/key", headers=headers).json()

    spent = {"requests": 2, "charged": "14", "charged_micros": 14 * CREDIT}
    nothing = {"requests": 0, "charged": "0", "charged_micros": 0}
    assert mine["usage"] == {"today": spent, "last_30_days": spent}
    assert theirs["usage"] == {"today": nothing, "last_30_days": nothing}
    assert (theirs["label"], theirs["expires_at"]) == (
        "phone",
        int(expires_at.timestamp()),
    )
    assert mine["available"] == theirs["available"] == "99986"


def test_the_figures_are_those_of_the_pages_while_a_call_runs(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    gate = Gate()
    upstream.on(model="slow", reply=chat_json(credits=3).held(gate))
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(customer.chat, live_gateway, "slow")
        upstream.journal.wait_until(lambda entries: len(entries) == 1)
        found = key_of(live_gateway, customer)
        balance = balance_of(customer.organization.account_id)
        gate.set()
        assert slow.result().status_code == 200

    assert found["held_micros"] == balance.held_micros > 0
    assert found["balance_micros"] == balance.balance_micros
    assert found["available_micros"] == balance.available_micros


@pytest.mark.once
@pytest.mark.parametrize(("method", "path"), QUESTIONS)
def test_questions_need_a_key_that_is_good_now(
    live_gateway: Gateway, customer: Customer, method: str, path: str
) -> None:
    http = customer.http(live_gateway)

    def ask(**headers: str) -> httpx.Response:
        return http.request(method, path, headers=headers, json=QUOTE)

    assert ask().status_code in (200, 404)
    assert_refusal(ask(authorization=""), 401, "missing_api_key")
    assert_refusal(ask(authorization="Bearer sk-1"), 401, "malformed_api_key")
    keys.revoke(customer.key, actor=actor_of(customer.owner))
    assert_refusal(ask(), 401, "key_revoked")


@pytest.mark.once
@pytest.mark.parametrize(("method", "path"), QUESTIONS)
def test_questions_have_one_method(
    live_gateway: Gateway, customer: Customer, method: str, path: str
) -> None:
    wrong = {"GET": "POST", "POST": "GET"}[method]
    reply = customer.http(live_gateway).request(wrong, path)

    assert_refusal(reply, 405, "method_not_allowed")
    assert method in reply.headers["allow"].split(", ")
    assert wrong not in reply.headers["allow"]
