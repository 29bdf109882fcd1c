"""Rates and allow-lists at a live gateway: who is refused, and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from billing import spenders
from billing.models import Spender
from billing.models.account import UnitKind
from portal.models import Rules
from portal.tenants import rules
from tests.support.cast import actor_of
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json

SetRules = Callable[..., Rules]


@pytest.fixture
def set_rules(customer: Customer) -> SetRules:
    """Of the customer's organization, before its key is first used."""
    actor = actor_of(customer.owner)
    return lambda **given: rules.set_rules(customer.organization, actor=actor, **given)


def error_of(reply: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = reply.json()["error"]
    return error


def test_requests_a_minute_are_counted_and_told_on_every_reply(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, set_rules: SetRules
) -> None:
    set_rules(key=customer.key, requests_per_minute=3, tokens_per_minute=100_000)
    upstream.on(model="m", reply=chat_json(prompt_tokens=5, completion_tokens=7))
    replies = [customer.chat(live_gateway, "m", max_tokens=50) for _ in range(4)]

    key = customer.http(live_gateway).get("/key")

    told = [reply.headers["x-ratelimit-remaining-requests"] for reply in replies]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert told == ["2", "1", "0", "0"]
    assert {reply.headers["x-ratelimit-limit-requests"] for reply in replies} == {"3"}
    assert_refusal(replies[3], 429, "rate_limit_exceeded")
    wait = int(replies[3].headers["retry-after"])
    assert 1 <= wait <= 60
    assert "x-should-retry" not in replies[3].headers
    told = error_of(replies[3])["metadata"]
    assert (told["level"], told["name"]) == ("key", "laptop")
    assert (told["limit"], told["used"], told["required"]) == (3, 3, 1)
    assert told["window"] == "minute"
    assert told["remedy"]
    # What a call used counts, not what it might have.
    left = [int(reply.headers["x-ratelimit-remaining-tokens"]) for reply in replies]
    assert left[0] < 100_000 - 50
    assert left[2] > 100_000 - 2 * 12 - 100
    assert len(customer.holds()) == 3
    for other in (customer.chat(live_gateway, "", max_tokens=-1), key):
        assert other.headers["x-ratelimit-remaining-requests"] == "0"


def test_streams_carry_the_headers_and_the_sdk_reads_them(
    live_gateway: Gateway, customer: Customer, set_rules: SetRules
) -> None:
    set_rules(tokens_per_minute=1_000)
    streamed = customer.chat(live_gateway, stream=True, max_tokens=50)
    raw = customer.openai(live_gateway).chat.completions.with_raw_response.create(
        model="m", messages=SAY_HI, max_tokens=50
    )

    assert streamed.status_code == 200
    assert streamed.headers["x-ratelimit-limit-tokens"] == "1000"
    assert raw.headers["x-ratelimit-limit-tokens"] == "1000"
    assert raw.headers["x-ratelimit-reset-tokens"]
    assert "x-ratelimit-limit-requests" not in raw.headers


def test_without_limits_there_are_no_such_headers(
    live_gateway: Gateway, customer: Customer
) -> None:
    reply = customer.chat(live_gateway)
    assert not [name for name in reply.headers if name.startswith("x-ratelimit")]


def test_a_request_that_was_refused_gives_its_tokens_back(
    live_gateway: Gateway, customers: Callable[..., Customer], upstream: Upstream
) -> None:
    poor = customers(credits=0)
    rules.set_rules(
        poor.organization,
        actor=actor_of(poor.owner),
        requests_per_minute=1,
        tokens_per_minute=500,
    )
    replies = [poor.chat(live_gateway, max_tokens=400) for _ in range(3)]

    assert [error_of(each)["code"] for each in replies] == ["insufficient_credits"] * 3
    assert_nothing_happened(poor, upstream)


def test_an_answer_that_is_given_again_takes_nothing(
    live_gateway: Gateway, customer: Customer, set_rules: SetRules
) -> None:
    set_rules(requests_per_minute=2)
    body, headers = {"model": "m", "messages": SAY_HI}, {"idempotency-key": "once"}
    http = customer.http(live_gateway)
    replies = [
        http.post("/chat/completions", json=body, headers=headers) for _ in range(4)
    ]
    assert [reply.status_code for reply in replies] == [200] * 4
    assert replies[3].headers["x-idempotent-replay"] == "true"
    assert [customer.chat(live_gateway).status_code for _ in range(2)] == [200, 429]
    assert len(customer.holds()) == 2


def test_more_tokens_than_a_minute_has_are_not_tried_again(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, set_rules: SetRules
) -> None:
    set_rules(tokens_per_minute=500)
    sdk = customer.openai(live_gateway, max_retries=5)
    with pytest.raises(openai.RateLimitError) as refused:
        sdk.chat.completions.create(model="m", messages=SAY_HI, max_tokens=501)

    assert refused.value.response.headers["x-should-retry"] == "false"
    assert "Lower max_tokens" in refused.value.message
    assert_nothing_happened(customer, upstream)


def test_a_project_is_counted_over_its_keys(
    live_gateway: Gateway, customer: Customer, set_rules: SetRules
) -> None:
    _, other = customer.new_key(name="phone")
    project = spenders.open_unit(customer.account_id, UnitKind.PROJECT, "main")
    Spender.objects.filter(account_id=customer.account_id).update(project=project)
    set_rules(unit=project, requests_per_minute=2)
    headers = {"authorization": f"Bearer {other}"}
    http = customer.http(live_gateway)
    body = {"model": "m", "messages": SAY_HI}
    mine = [http.post("/chat/completions", json=body) for _ in range(2)]
    theirs = http.post("/chat/completions", json=body, headers=headers)

    assert [reply.status_code for reply in mine] == [200, 200]
    assert_refusal(theirs, 429, "rate_limit_exceeded")
    assert error_of(theirs)["metadata"]["level"] == "project"
    assert error_of(theirs)["metadata"]["name"] == "main"


@pytest.mark.once
def test_processes_with_redis_count_together(
    gateway: GatewayFactory, customer: Customer, redis_url: str, set_rules: SetRules
) -> None:
    set_rules(requests_per_minute=10)
    # On a busy machine Redis may answer late, and not be away.
    both = [gateway(REDIS_URL=redis_url, REDIS_WAIT_MS=30_000) for _ in range(2)]
    for each in both:
        customer.http(each)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(customer.chat, both[n % 2]) for n in range(30)]
        statuses = sorted(each.result().status_code for each in asked)
    assert statuses == [200] * 10 + [429] * 20


@pytest.mark.parametrize(
    ("given", "code", "named"),
    [
        ({"models": ["acme/*", "claude"]}, "model_not_allowed", "acme/*, claude"),
        ({"operations": ["embeddings"]}, "operation_not_allowed", "embeddings"),
        ({"networks": ["192.0.2.0/24"]}, "address_not_allowed", "127.0.0.1"),
    ],
)
def test_what_is_not_on_the_list_is_refused_by_name(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    set_rules: SetRules,
    given: dict[str, Any],
    code: str,
    named: str,
) -> None:
    set_rules(key=customer.key, **given)
    reply = customer.chat(live_gateway, "gpt-4o")

    assert_refusal(reply, 403, code)
    assert named in error_of(reply)["message"]
    assert error_of(reply)["metadata"]["level"] == "key"
    assert error_of(reply)["metadata"]["remedy"]
    assert_nothing_happened(customer, upstream)


def test_what_is_on_every_list_passes(
    live_gateway: Gateway, customer: Customer, set_rules: SetRules
) -> None:
    set_rules(models=["*"], networks=["127.0.0.0/8", "::1"])
    set_rules(
        key=customer.key, models=["x", "openai/*"], operations=["chat.completions"]
    )
    assert customer.chat(live_gateway, "openai/gpt-4o").status_code == 200


def test_free_questions_are_refused_from_elsewhere_too(
    live_gateway: Gateway, customer: Customer, set_rules: SetRules
) -> None:
    set_rules(networks=["192.0.2.0/24"])
    for path in ("/key", "/models"):
        reply = customer.http(live_gateway).get(path)
        assert_refusal(reply, 403, "address_not_allowed")
        assert "192.0.2" not in reply.text  # who found the key learns no way in


@pytest.mark.once
def test_behind_a_trusted_proxy_its_word_counts(
    gateway: GatewayFactory, customer: Customer, set_rules: SetRules
) -> None:
    set_rules(networks=["192.0.2.0/24"])
    behind = customer.http(gateway(TRUSTED_PROXIES="127.0.0.0/8"))

    def ask(forwarded: str) -> int:
        return behind.get("/key", headers={"x-forwarded-for": forwarded}).status_code

    assert ask("192.0.2.7") == 200
    assert ask("192.0.2.7, 198.51.100.1") == 403
    assert ask("198.51.100.1, 192.0.2.7") == 200
    assert ask("nonsense") == 403
