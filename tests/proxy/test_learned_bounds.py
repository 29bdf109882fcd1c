"""A model that costs more than its price says: the operator bears one round of calls at
most, whoever and however many call it, and in whatever process."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from billing.models import LearnedBound, Pause, Tariff
from billing.values.orders import CREDIT
from portal.models import AuditEvent
from portal.operator import bounds
from tests.proxy.conftest import Customers
from tests.support.cast import OPERATOR
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Gate, Upstream, chat_json
from tests.support.waiting import wait_for

TOKENS = 1000
CALLERS = 64
CALLS = 50
PRICE = 10  # by the tariff, in credits
REAL = 35
# More than any test here bears.
UNLIMITED = {
    "BORNE_MODEL_CREDITS_MAX": 10**6,
    "BORNE_ORGANIZATION_CREDITS_MAX": 10**6,
}


def priced(credits: int) -> str:
    """The name of a new model: a call of TOKENS costs so much, by the tariff. In no
    part it is the dearest row, so that models of other tests cost what they did."""
    model = f"m-{uuid.uuid4().hex}"
    Tariff.objects.create(
        operation="chat.completions",
        model=model,
        completion_token_micros=credits * CREDIT // TOKENS,
    )
    return model


def borne_credits(*customers: Customer) -> int:
    records = [record for each in customers for record in each.records()]
    return sum(record.absorbed_micros for record in records) // CREDIT


def ask(gateway: Gateway, customer: Customer, model: str, **fields: Any) -> int:
    fields.setdefault("max_tokens", TOKENS)
    return customer.chat(gateway, model, **fields).status_code


def ask_until_refused(gateway: Gateway, customer: Customer, model: str) -> int:
    """Call after call while there are credits; the last status."""
    while (status := ask(gateway, customer, model)) in (200, 429):
        pass
    return status


def exhaust(gateway: Gateway, customer: Customer, model: str) -> None:
    """CALLERS at once, each until the credits are gone."""
    customer.http(gateway)  # made once, not by every thread
    with ThreadPoolExecutor(CALLERS) as pool:
        asking = [
            pool.submit(ask_until_refused, gateway, customer, model)
            for _ in range(CALLERS)
        ]
        assert {each.result() for each in asking} == {402}


def one_round(
    gateway: Gateway, upstream: Upstream, customer: Customer, model: str, calls: int
) -> None:
    """CALLERS at once, of whom `calls` are admitted before the first has settled."""
    gate = Gate()
    upstream.on(model=model, reply=chat_json(credits=REAL).held(gate))
    customer.http(gateway)  # made once, not by every thread
    with ThreadPoolExecutor(CALLERS) as pool:
        running = [pool.submit(ask, gateway, customer, model) for _ in range(CALLERS)]
        upstream.journal.wait_arrived(calls)
        wait_for(lambda: sum(call.done() for call in running) == CALLERS - calls)
        gate.set()
        statuses = sorted(call.result() for call in running)
    assert statuses == [200] * calls + [429] * (CALLERS - calls)


def test_64_callers_on_credits_for_50_calls_cost_the_operator_one_round(
    gateway: GatewayFactory,
    upstream: Upstream,
    customers: Customers,
    clean_ledger: None,
) -> None:
    running = gateway(WEB_CONCURRENCY=4, **UNLIMITED)
    model, customer = priced(PRICE), customers(credits=CALLS * PRICE)
    one_round(running, upstream, customer, model, CALLS)
    borne = borne_credits(customer)
    assert borne == CALLS * (REAL - PRICE)
    assert customer.available_micros() == 0

    stranger = customers(credits=CALLS * REAL)
    customer.grant(CALLS * REAL * CREDIT)
    for each in (customer, stranger):
        exhaust(running, each, model)
        assert each.available_micros() == 0  # exactly CALLS of them were made
    assert borne_credits(customer, stranger) == borne


def test_a_price_of_nothing_costs_the_operator_one_round_at_most(
    gateway: GatewayFactory,
    upstream: Upstream,
    customers: Customers,
    clean_ledger: None,
) -> None:
    running = gateway(WEB_CONCURRENCY=2, UNPRICED_CREDITS=25, **UNLIMITED)
    # What the dearest row of the tariff says of its default length is held.
    model, customer = priced(0), customers(credits=200)
    upstream.on(model=model, reply=chat_json(credits=100))
    exhaust(running, customer, model)
    borne, made = borne_credits(customer), len(customer.records())
    first = customer.holds()[0].amount_micros // CREDIT
    assert first >= 25
    assert borne <= 200 // first * (100 - first)
    assert made * 100 == 200 - customer.available_micros() // CREDIT + borne

    customer.grant(450 * CREDIT)
    exhaust(running, customer, model)
    assert borne_credits(customer) == borne
    assert len(customer.records()) >= made + 4


@pytest.mark.parametrize("max_tokens", [1, 100, 5_000])
def test_a_free_model_is_free_once_a_call_was(
    gateway: GatewayFactory, upstream: Upstream, customers: Customers, max_tokens: int
) -> None:
    running, model = gateway(), priced(0)
    rich, empty = customers(), customers(credits=0)
    upstream.on(model=model, reply=chat_json(credits=0))
    assert ask(running, empty, model, max_tokens=max_tokens) == 402
    assert ask(running, rich, model, max_tokens=max_tokens) == 200
    assert ask(running, empty, model, max_tokens=max_tokens) == 200
    assert empty.holds()[0].amount_micros == 0


def test_what_one_shape_costs_is_not_held_for_another(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(credits=90))

    def held(**fields: Any) -> str:
        reply = customer.chat(live_gateway, "m", max_tokens=1000, **fields)
        return str(reply.headers["x-credits-held"])

    assert (held(), held()) == ("32", "90")
    # Their bodies are a few bytes longer: 33 instead of 32 credits by the tariff.
    assert (held(stream=True), held(temperature=1)) == ("92.8125", "92.8125")
    assert held(web_search=True) == "38"
    assert held(reasoning_effort="high") == "33"


def test_size_is_a_shape_of_an_image(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    for size in ("512x512", "1024x1024", "1024x1024"):
        customer.http(live_gateway).post(
            "/images/edits",
            json={
                "prompt": "x",
                "model": "m",
                "image": "https://example.com/a.png",
                "size": size,
            },
        )
    shapes = {hold.shape.partition(" ")[2] for hold in customer.holds()}
    assert shapes == {"512x512", "1024x1024"}


# --- paused ---------------------------------------------------------------------------


def paused_by(
    gateway: GatewayFactory,
    upstream: Upstream,
    customers: Customers,
    **limits: int,
) -> tuple[Gateway, Customer, str]:
    running = gateway(**{**UNLIMITED, **limits})
    model, customer = priced(PRICE), customers(credits=PRICE)
    upstream.on(model=model, reply=chat_json(credits=REAL))
    assert ask(running, customer, model) == 200
    customer.grant(1000 * CREDIT)
    return running, customer, model


def refused(
    gateway: Gateway, customer: Customer, model: str, status: int, code: str
) -> httpx.Response:
    before = len(customer.holds())
    reply = customer.chat(gateway, model)
    assert_refusal(reply, status, code)
    assert reply.headers["x-should-retry"] == "false"
    assert len(customer.holds()) == before
    quote = customer.http(gateway).post(
        "/quote",
        json={
            "operation": "chat.completions",
            "request": {"model": model, "messages": SAY_HI},
        },
    )
    assert quote.json()["passes"] is False
    assert "paused. Ask your operator." in quote.json()["suggestion"]
    return reply


def test_a_paused_model_is_503_until_the_operator_has_looked(
    gateway: GatewayFactory, upstream: Upstream, customers: Customers
) -> None:
    running, customer, model = paused_by(
        gateway, upstream, customers, BORNE_MODEL_CREDITS_MAX=REAL - PRICE - 1
    )
    stranger = customers()
    for each in (customer, stranger):
        reply = refused(running, each, model, 503, "model_paused")
        assert model in reply.json()["error"]["message"]
        assert reply.json()["error"]["param"] == "model"
    assert ask(running, customer, "another") == 200

    pause = Pause.objects.get()
    bounds.release(pause.id, reason="raised the tariff", actor=OPERATOR)
    assert ask(running, customer, model) == ask(running, stranger, model) == 200
    assert LearnedBound.objects.get().overruns == 1


def test_a_paused_organization_is_402_until_the_operator_has_looked(
    gateway: GatewayFactory, upstream: Upstream, customers: Customers
) -> None:
    running, customer, model = paused_by(
        gateway, upstream, customers, BORNE_ORGANIZATION_CREDITS_MAX=REAL - PRICE - 1
    )
    for each in (model, "another"):
        refused(running, customer, each, 402, "organization_paused")
    assert ask(running, customers(), model) == 200

    assert bounds.tell() == 1
    assert bounds.tell() == 0
    [event] = AuditEvent.objects.filter(organization=customer.organization).filter(
        action="bounds.pause"
    )
    assert (event.actor_label, event.detail["borne_credits"]) == ("gateway", "25")
    bounds.release(Pause.objects.get().id, reason="paid by invoice", actor=OPERATOR)
    assert ask(running, customer, model) == 200
