"""A quote and the hold of the call it was about: the same amount, whatever the body."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from billing.models import Account
from tests.proxy.conftest import Customers
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json

TEXT = st.text(max_size=60)
CHATS = st.fixed_dictionaries(
    {
        "messages": st.lists(
            st.fixed_dictionaries(
                {"role": st.sampled_from(["system", "user"]), "content": TEXT}
            ),
            min_size=1,
            max_size=4,
        )
    },
    optional={
        "model": st.sampled_from(["m", "openai/gpt-4o-mini", "ü"]),
        "max_tokens": st.integers(1, 5_000),
        "max_completion_tokens": st.integers(1, 5_000),
        "n": st.integers(1, 4),
        "web_search": st.booleans(),
        "stream": st.just(True),
        "user": TEXT,
        "stop": TEXT,
    },
)
EMBEDDINGS = st.fixed_dictionaries(
    {"input": TEXT | st.lists(TEXT, min_size=1, max_size=5)},
    optional={"encoding_format": st.sampled_from(["float", "base64"]), "user": TEXT},
)
CALLS = st.tuples(st.just("chat/completions"), CHATS) | st.tuples(
    st.just("embeddings"), EMBEDDINGS
)
FACTORS_PPM = st.sampled_from([1_000_000, 1_200_000, 333_333])


def test_every_quote_is_the_hold_to_the_microcredit(
    live_gateway: Gateway, customers: Customers, clean_ledger: None
) -> None:
    customer = customers(credits=10_000_000)
    account = Account.objects.filter(pk=customer.organization.account_id)
    http = customer.http(live_gateway)

    @seed(2026)
    @settings(max_examples=40, database=None, suppress_health_check=list(HealthCheck))
    @given(call=CALLS, factor_ppm=FACTORS_PPM)
    def agree(call: tuple[str, dict[str, Any]], factor_ppm: int) -> None:
        route, body = call
        account.update(price_factor_ppm=factor_ppm)
        quoted = http.post("/quote", json={"operation": route, "request": body})
        called = http.post(f"/{route}", json=body)
        assert quoted.status_code == called.status_code, quoted.text
        if called.status_code == 200:
            seen.append(route)
            assert quoted.json()["hold"] == called.headers["x-credits-held"]
            assert quoted.json()["passes"] is True

    seen: list[str] = []
    agree()
    assert set(seen) == {"chat/completions", "embeddings"}
    assert len(customer.holds()) == len(seen)


def test_a_quote_of_credits_on_hold_says_to_wait_as_the_call_does(
    live_gateway: Gateway, upstream: Upstream, customers: Customers
) -> None:
    customer, gate = customers(credits=40), Gate()
    body = {"model": "m", "messages": SAY_HI, "max_tokens": 1000}
    upstream.on(model="slow", reply=chat_json(credits=3).held(gate))
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(customer.chat, live_gateway, "slow", max_tokens=1000)
        upstream.journal.wait_until(lambda entries: len(entries) == 1)
        waiting = _quote(live_gateway, customer, body)
        refused = customer.http(live_gateway).post("/chat/completions", json=body)
        gate.set()
        assert slow.result().status_code == 200
    after = _quote(live_gateway, customer, body)

    assert_refusal(refused, 429, "credits_on_hold")
    assert (waiting["passes"], after["passes"]) == (False, True)
    assert (waiting["available"], waiting["held"]) == ("8", "32")
    assert "try again when running calls have settled" in waiting["suggestion"]
    assert waiting["suggestion"].startswith("Lower max_tokens to at most ")


def _quote(gateway: Gateway, customer: Customer, body: dict[str, Any]) -> Any:
    question = {"operation": "chat.completions", "request": body}
    reply = customer.http(gateway).post("/quote", json=question)
    return reply.raise_for_status().json()
