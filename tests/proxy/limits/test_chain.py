"""Budgets, runs and calls at once at a live gateway: who refuses, and what `GET
/v1/key` and `POST /v1/quote` say of the whole chain beforehand."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from billing import budgets, spenders
from billing.budgets import Subject
from billing.models import Budget, Spender
from billing.models.account import UnitKind
from billing.models.budget import Level, Window
from billing.values.orders import CREDIT
from portal.tenants import rules
from tests.support.cast import actor_of
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.gateway.runs import opened
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json

NEEDED = 32  # credits held for a call with max_tokens=1000
Limit = Callable[..., None]


@pytest.fixture
def limit(customer: Customer) -> Limit:
    """`limit(Level.KEY, Window.DAY, 50)`, of the key or what is above it."""
    account = customer.account_id
    project = spenders.open_unit(account, UnitKind.PROJECT, "main")
    member = spenders.open_unit(account, UnitKind.MEMBER, "bob")
    spender = Spender.objects.filter(id=customer.spender_id)
    spender.update(project=project, holder=member)
    subjects = {
        Level.ORGANIZATION: Subject(Level.ORGANIZATION),
        Level.PROJECT: Subject(Level.PROJECT, project_id=project.id),
        Level.MEMBER: Subject(Level.MEMBER, holder_id=member.id),
        Level.KEY: Subject(Level.KEY, spender_id=customer.spender_id),
    }

    def set_(level: Level, window: Window, credits: int, **more: Any) -> None:
        budgets.set_limit(
            account,
            subjects[level],
            window,
            credits * CREDIT,
            counts_spend_so_far=True,
            **more,
        )

    return set_


def chat(gateway: Gateway, customer: Customer, model: str = "m") -> httpx.Response:
    return customer.chat(gateway, model, max_tokens=1000)


def key_of(gateway: Gateway, customer: Customer, secret: str = "") -> dict[str, Any]:
    headers = {"authorization": f"Bearer {secret or customer.secret}"}
    found: dict[str, Any] = customer.http(gateway).get("/key", headers=headers).json()
    return found


def quote(gateway: Gateway, customer: Customer, **request: Any) -> dict[str, Any]:
    body = {"operation": "chat.completions", "request": {"messages": SAY_HI, **request}}
    found: dict[str, Any] = customer.http(gateway).post("/quote", json=body).json()
    return found


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (Level.KEY, "laptop"),
        (Level.MEMBER, "bob"),
        (Level.PROJECT, "main"),
        (Level.ORGANIZATION, ""),
    ],
)
@pytest.mark.parametrize("window", [Window.MONTH, Window.TOTAL])
def test_a_budget_refuses_by_name_and_nothing_is_consumed(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    limit: Limit,
    level: Level,
    name: str,
    window: Window,
) -> None:
    limit(level, window, NEEDED - 1)
    reply = chat(live_gateway, customer)

    assert_refusal(reply, 402, "budget_exceeded")
    assert reply.headers["x-should-retry"] == "false"
    budget = Budget.objects.get(account_id=customer.account_id)
    error = reply.json()["error"]
    resets_at = error["metadata"].pop("resets_at")
    remedy = error["metadata"].pop("remedy")
    assert error["metadata"] == {
        "level": level.value,
        "name": name,
        "window": window.value,
        "models": None,
        "operation": None,
        "limit": "31",
        "used": "0",
        "held": "0",
        "required": "32",
        # Its page, which explains it and where more is asked for.
        "url": f"{live_gateway.url}/budgets/{budget.id}",
    }
    assert error["metadata"]["url"] in remedy
    assert (resets_at is None) == (window == Window.TOTAL)
    assert error["message"].startswith("402: the ")
    assert remedy in error["message"]
    assert_nothing_happened(customer, upstream)


def test_what_running_calls_hold_is_waited_for_by_the_sdk_itself(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, limit: Limit
) -> None:
    limit(Level.PROJECT, Window.DAY, NEEDED + 5)
    gate = Gate()
    upstream.on(model="slow", reply=chat_json(credits=3).held(gate))
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(chat, live_gateway, customer, "slow")
        upstream.journal.wait_arrived()
        refused = chat(live_gateway, customer)
        sdk = customer.openai(live_gateway, max_retries=20)
        sdk._client.event_hooks["response"].append(lambda _refused: gate.set())
        raw = sdk.chat.completions.with_raw_response.create(
            model="m", messages=SAY_HI, max_completion_tokens=1000
        )
        assert slow.result().status_code == 200

    assert_refusal(refused, 429, "budget_exceeded")
    assert refused.headers["retry-after"] == "2"
    assert refused.json()["error"]["metadata"]["held"] == "32"
    assert raw.retries_taken >= 1


def test_calls_at_once_are_refused_while_they_run(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    actor = actor_of(customer.owner)
    rules.set_rules(customer.organization, actor=actor, calls_at_once=1)
    gate = Gate()
    upstream.on(model="slow", reply=chat_json(credits=3).held(gate))
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(chat, live_gateway, customer, "slow")
        upstream.journal.wait_arrived()
        refused = chat(live_gateway, customer)
        [shown] = key_of(live_gateway, customer)["limits"]
        asked = quote(live_gateway, customer)
        gate.set()
        assert slow.result().status_code == 200

    assert_refusal(refused, 429, "rate_limit_exceeded")
    told = refused.json()["error"]["metadata"]
    assert (told["kind"], told["level"], told["limit"]) == ("calls", "organization", 1)
    assert (told["used"], told["held"]) == (1, 1)
    assert refused.headers["retry-after"] == "1"
    assert (shown["type"], shown["used"], shown["left"]) == ("calls", 1, 0)
    assert asked["passes"] is False
    assert "running call has ended" in asked["suggestion"]
    assert chat(live_gateway, customer).status_code == 200
    assert key_of(live_gateway, customer)["limits"][0]["used"] == 0


def test_the_key_shows_all_limits_and_the_one_that_binds(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, limit: Limit
) -> None:
    limit(Level.KEY, Window.DAY, 500)
    limit(Level.PROJECT, Window.MONTH, 40)
    limit(Level.ORGANIZATION, Window.WEEK, 10, model_pattern="dear/*")
    actor = actor_of(customer.owner)
    rules.set_rules(
        customer.organization, key=customer.key, actor=actor, requests_per_minute=9
    )
    upstream.on(model="m", reply=chat_json(credits=6))
    assert chat(live_gateway, customer).status_code == 200
    found = key_of(live_gateway, customer)

    shown = {(each["type"], each["level"]): each for each in found["limits"]}
    assert set(shown) == {
        *(("budget", level) for level in ("key", "project", "organization")),
        ("requests", "key"),
    }
    project = shown["budget", "project"]
    assert (project["name"], project["window"]) == ("main", "month")
    figures = [project[name] for name in ("limit", "used", "held", "left")]
    assert figures == ["40", "6", "0", "34"]
    assert project["resets_at"] > 0
    assert shown["budget", "organization"]["models"] == "dear/*"
    assert (shown["requests", "key"]["used"], shown["requests", "key"]["left"]) == (
        1,
        8,
    )
    # Not the dear models' own limit: other calls do not meet it.
    assert found["binds"] == project
    assert (found["limit"], found["limit_remaining"]) == (40, 34)


def test_a_quote_says_which_limit_a_call_would_meet(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, limit: Limit
) -> None:
    limit(Level.KEY, Window.DAY, 500)
    limit(Level.MEMBER, Window.TOTAL, 40)
    limit(Level.ORGANIZATION, Window.WEEK, 10, model_pattern="dear/*")
    plain = quote(live_gateway, customer, model="m", max_tokens=1000)
    dear = quote(live_gateway, customer, model="dear/1", max_tokens=1000)

    assert (plain["passes"], plain["binds"]["level"]) == (True, "member")
    assert (dear["passes"], dear["binds"]["level"]) == (False, "organization")
    failing = [check for check in dear["checks"] if not check["passes"]]
    assert [check["name"] for check in failing] == ["budget"]
    assert failing[0]["required"] == dear["hold"]
    assert dear["suggestion"].startswith(
        f"Lower max_tokens to at most {dear['max_tokens']}"
    )
    for asked in (plain, dear):  # the largest cap passes, and one more does not
        most, model = asked["max_tokens"], asked["model"]
        over = customer.chat(live_gateway, model, max_tokens=most + 1)
        assert_refusal(over, 402, "budget_exceeded")
    fits = customer.chat(live_gateway, "dear/1", max_tokens=dear["max_tokens"])
    assert fits.status_code == 200


def test_a_run_shows_what_it_has_left_and_that_it_binds(
    live_gateway: Gateway, customer: Customer, limit: Limit
) -> None:
    limit(Level.KEY, Window.DAY, 60)
    run = opened(customer, live_gateway, 50)
    mine = key_of(live_gateway, customer)
    theirs = key_of(live_gateway, customer, run["api_key"])

    assert (mine["limit"], mine["limit_remaining"]) == (60, 10)
    # What the run has was taken out of the key's budget: all of it can be spent.
    assert (theirs["limit"], theirs["limit_remaining"]) == (50, 50)
    assert theirs["binds"]["name"] == run["id"]
    types = [each["type"] for each in theirs["limits"]]
    assert types == ["envelope", "budget"]
    headers = {"authorization": f"Bearer {run['api_key']}"}
    request = {"model": "m", "messages": SAY_HI}
    body = {"operation": "chat.completions", "request": request}
    asked = customer.http(live_gateway).post("/quote", json=body, headers=headers)
    most = asked.json()["max_tokens"]
    with openai.OpenAI(
        base_url=live_gateway.base_url, api_key=run["api_key"], max_retries=0
    ) as sdk:
        with pytest.raises(openai.APIStatusError, match="this run has 50 credits"):
            sdk.chat.completions.create(model="m", messages=SAY_HI, max_tokens=most + 1)
        sdk.chat.completions.create(model="m", messages=SAY_HI, max_tokens=most)


def test_a_quote_knows_the_lists_and_the_minutes(
    live_gateway: Gateway, customer: Customer
) -> None:
    actor = actor_of(customer.owner)
    rules.set_rules(
        customer.organization, actor=actor, models=["m"], tokens_per_minute=500
    )
    other = quote(live_gateway, customer, model="other", max_tokens=10)
    large = quote(live_gateway, customer, model="m", max_tokens=1000)

    assert other["passes"] is False
    assert "may not call the model other" in other["suggestion"]
    assert large["passes"] is False
    assert "minute" in large["suggestion"]
    assert quote(live_gateway, customer, model="m", max_tokens=10)["passes"] is True
    [allowed] = key_of(live_gateway, customer)["allowed"]
    assert allowed["models"] == ["m"]
