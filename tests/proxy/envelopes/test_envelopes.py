"""Runs over HTTP: what is set aside is all a run can spend, and the rest comes back."""

from __future__ import annotations

import openai
import pytest

from billing.values.orders import CREDIT
from portal.models import ApiKey, AuditEvent
from portal.tenants import keys
from tests.support.cast import actor_of
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.gateway.runs import ask, opened, sdk
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json


def test_a_run_is_spent_by_an_sdk_that_knows_nothing_of_it(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, clean_ledger: None
) -> None:
    before = customer.available_micros()
    upstream.on(model="m", reply=chat_json(credits=7))
    run = opened(customer, live_gateway, 300, label="night 1", models=["m", "n*"])

    assert run["object"] == "envelope"
    assert run["id"].startswith("env_")
    assert run["api_key"].startswith("tg_live_")
    assert (run["credits"], run["left"], run["held"]) == ("300", "300", "0")
    assert (run["status"], run["label"], run["models"]) == (
        "open",
        "night 1",
        ["m", "n*"],
    )
    assert run["expires_at"] == run["created_at"] + 600
    assert run["parent"] is None
    assert customer.available_micros() == before - 300 * CREDIT
    with sdk(live_gateway, run) as client:
        for _ in range(2):
            client.chat.completions.create(model="m", messages=SAY_HI, max_tokens=9)
    seen = ask(customer, live_gateway, "GET", f"/{run['id']}").json()
    assert (seen["left"], seen["held"], seen["spent"]) == ("286", "0", "14")
    assert "api_key" not in seen
    assert seen["hint"] == ApiKey.objects.get(name="night 1").hint
    closed = ask(customer, live_gateway, "DELETE", f"/{run['id']}").json()
    assert (closed["status"], closed["spent"]) == ("closed", "14")
    assert customer.available_micros() == before - 14 * CREDIT
    assert customer.charged_credits() == upstream.total_credits() == 14
    acts = AuditEvent.objects.filter(organization=customer.organization)
    told = acts.filter(action__startswith="envelope.").order_by("pk")
    assert [each.action for each in told] == ["envelope.open", "envelope.close"]
    assert run["api_key"] not in str([each.detail for each in told])


def test_at_its_limit_a_run_says_what_it_and_its_parent_have_left(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    run = opened(customer, live_gateway, 5)
    with sdk(live_gateway, run) as client, pytest.raises(openai.APIStatusError) as met:
        client.chat.completions.create(model="m", messages=SAY_HI, max_tokens=500)

    assert (met.value.status_code, met.value.code) == (402, "envelope_exhausted")
    told = met.value.response.json()["error"]["metadata"]
    assert (told["left"], told["parent_left"]) == ("5", "99995")
    assert told["required"].isdigit()
    assert run["id"] in told["remedy"]
    assert [entry.path for entry in upstream.journal] == []


def test_credits_are_added_and_a_run_cannot_raise_itself(
    live_gateway: Gateway, customer: Customer
) -> None:
    run = opened(customer, live_gateway, 5)
    path, own = f"/{run['id']}", run["api_key"]
    more = ask(customer, live_gateway, "PATCH", path, json={"credits": 2.5}).json()
    assert (more["credits"], more["left"]) == ("7.5", "7.5")
    raised = ask(customer, live_gateway, "PATCH", path, json={"credits": 1}, secret=own)
    assert_refusal(raised, 404, "envelope_not_found")
    closed = ask(customer, live_gateway, "DELETE", path, secret=own)
    assert_refusal(closed, 404, "envelope_not_found")
    seen = ask(customer, live_gateway, "GET", path, secret=own)
    assert seen.json() == more


def test_a_run_has_runs_of_its_own(live_gateway: Gateway, customer: Customer) -> None:
    outer = opened(customer, live_gateway, 50)
    inner = opened(customer, live_gateway, 20, secret=outer["api_key"])
    assert inner["parent"] == outer["id"]
    seen = ask(customer, live_gateway, "GET", f"/{outer['id']}").json()
    assert (seen["left"], seen["held"]) == ("30", "20")
    larger = {"credits": 31, "expires_in_seconds": 60}
    refused = ask(customer, live_gateway, secret=outer["api_key"], json=larger)
    assert_refusal(refused, 402, "envelope_exhausted")
    # The grandparent may look at it and close it; who is beside it knows nothing of it.
    beside = opened(customer, live_gateway, 1)
    path = f"/{inner['id']}"
    hidden = ask(customer, live_gateway, "GET", path, secret=beside["api_key"])
    assert_refusal(hidden, 404, "envelope_not_found")
    assert ask(customer, live_gateway, "DELETE", path).json()["status"] == "closed"
    seen = ask(customer, live_gateway, "GET", f"/{outer['id']}").json()
    assert (seen["left"], seen["held"]) == ("50", "0")


def test_the_run_that_lacks_the_credits_is_named_to_its_grandparent(
    live_gateway: Gateway, customer: Customer
) -> None:
    outer = opened(customer, live_gateway, 50)
    inner = opened(customer, live_gateway, 20, secret=outer["api_key"])
    path, more = f"/{inner['id']}", {"credits": 31}
    refused = ask(customer, live_gateway, "PATCH", path, json=more)
    assert_refusal(refused, 402, "envelope_exhausted")
    told = refused.json()["error"]["metadata"]
    assert (told["name"], told["left"]) == (outer["id"], "30")
    assert f"PATCH /v1/envelopes/{outer['id']}." in told["remedy"]


def test_a_closed_run_is_refused_at_once_with_all_inside_it(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    outer = opened(customer, live_gateway, 200)
    inner = opened(customer, live_gateway, 100, secret=outer["api_key"])
    with sdk(live_gateway, inner) as client:  # the gateway knows the key now
        client.chat.completions.create(model="m", messages=SAY_HI, max_tokens=9)
        ask(customer, live_gateway, "DELETE", f"/{outer['id']}").raise_for_status()
        with pytest.raises(openai.AuthenticationError) as met:
            client.chat.completions.create(model="m", messages=SAY_HI, max_tokens=9)
    assert met.value.code == "envelope_closed"
    for secret in (outer["api_key"], inner["api_key"]):
        body = {"credits": 1, "expires_in_seconds": 60}
        child = ask(customer, live_gateway, secret=secret, json=body)
        assert_refusal(child, 401, "envelope_closed")
    assert len(list(upstream.journal)) == 1
    path = f"/{outer['id']}"
    more = ask(customer, live_gateway, "PATCH", path, json={"credits": 1})
    assert_refusal(more, 409, "envelope_closed")


def test_a_revoked_key_takes_its_runs_with_it(
    live_gateway: Gateway, customer: Customer
) -> None:
    run = opened(customer, live_gateway, 100)
    with sdk(live_gateway, run) as client:
        client.chat.completions.create(model="m", messages=SAY_HI, max_tokens=9)
        keys.revoke(customer.key, actor=actor_of(customer.owner))
        with pytest.raises(openai.AuthenticationError) as met:
            client.chat.completions.create(model="m", messages=SAY_HI, max_tokens=9)
    assert met.value.code == "key_revoked"


def test_a_run_calls_the_models_that_it_was_opened_for(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    outer = opened(customer, live_gateway, 200, models=["small-*"])
    inner = opened(customer, live_gateway, 100, secret=outer["api_key"])
    for run in (outer, inner):  # and whatever is inside it does not call others
        with sdk(live_gateway, run) as client:
            client.chat.completions.create(
                model="small-1", messages=SAY_HI, max_tokens=9
            )
            with pytest.raises(openai.PermissionDeniedError) as met:
                client.chat.completions.create(
                    model="large", messages=SAY_HI, max_tokens=9
                )
        assert met.value.code == "model_not_allowed"
        assert "small-*" in met.value.message


def test_runs_are_listed_page_by_page(
    live_gateway: Gateway, customer: Customer
) -> None:
    ids = [opened(customer, live_gateway, 1)["id"] for _ in range(5)][::-1]
    found, after = [], None
    while True:
        params = {"limit": 2} | ({"after": after} if after else {})
        page = ask(customer, live_gateway, "GET", params=params).json()
        assert page["object"] == "list"
        found += [each["id"] for each in page["data"]]
        after = page["last_id"]
        if not page["has_more"]:
            break
        assert len(page["data"]) == 2
    assert found == ids
    _, other = customer.new_key(name="phone")
    empty = ask(customer, live_gateway, "GET", secret=other).json()
    assert (empty["data"], empty["has_more"], empty["last_id"]) == ([], False, None)
