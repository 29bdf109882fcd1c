"""The hosted page over HTTP, as a browser without scripts uses it; and the knobs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.payments_sandbox import KEY, Stripe

pytestmark = pytest.mark.once


@pytest.fixture
def browser(shop: Stripe) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shop.sandbox.url, trust_env=False) as client:
        yield client


def control(shop: Stripe, path: str, **form: Any) -> httpx.Response:
    return httpx.post(
        f"{shop.sandbox.url}/_sandbox/{path}",
        data=form,
        headers={"authorization": f"Bearer {KEY}"},
    )


def test_pay(shop: Stripe, browser: httpx.Client) -> None:
    made = shop.session(123_456)
    page = browser.get(str(made.url))
    assert "1,234.56 EUR" in page.text
    assert "<script" not in page.text
    for button in ("pay", "decline", "authenticate", "later", "abandon"):
        assert f"value={button}" in page.text
    paid = browser.post(str(made.url), data={"act": "pay", "email": "a@example.com"})
    assert paid.status_code == 303
    assert paid.headers["location"] == f"https://shop.example/back?id={made.id}"
    assert "complete" in browser.get(f"/pay/{made.id}").text
    again = browser.post(f"/pay/{made.id}", data={"act": "pay"})
    assert again.status_code == 400
    assert shop.taken() == {"eur": 123_456}


def test_decline_then_abandon(shop: Stripe, browser: httpx.Client) -> None:
    made = shop.session()
    declined = browser.post(str(made.url), data={"act": "decline"})
    assert declined.status_code == 402
    assert "role=alert>Your card was declined." in declined.text
    left = browser.post(str(made.url), data={"act": "abandon"})
    assert left.headers["location"] == "https://shop.example/cart"
    assert shop.taken() == {}


@pytest.mark.parametrize(("act", "taken"), [("complete", {"eur": 2500}), ("fail", {})])
def test_three_d_secure(
    shop: Stripe, browser: httpx.Client, act: str, taken: dict[str, int]
) -> None:
    made = shop.session()
    asked = browser.post(str(made.url), data={"act": "authenticate"})
    bank = asked.headers["location"]
    assert "is this you?" in browser.get(bank).text
    reply = browser.post(bank, data={"act": act})
    assert reply.status_code == (303 if taken else 402)
    assert shop.taken() == taken
    assert browser.get(bank).status_code == 404


def test_later(shop: Stripe, browser: httpx.Client) -> None:
    made = shop.session()
    url = str(made.url)
    assert browser.post(url, data={"act": "later"}).status_code == 303
    assert "on its way" in browser.get(url).text
    assert shop.taken() == {}
    browser.post(url, data={"act": "arrived"})
    assert shop.taken() == {"eur": 2500}


def test_what_is_typed_in_cannot_become_markup(
    shop: Stripe, browser: httpx.Client
) -> None:
    customer = shop.v1.customers.create({"name": '"><b>Ann', "email": "a@example.com"})
    made = shop.session(customer=customer.id)
    assert not re.search("<b>", browser.get(str(made.url)).text)


@pytest.mark.parametrize(
    ("path", "status"), [("/pay/cs_none", 404), ("/pay/a/b", 404), ("/", 404)]
)
def test_no_such_page(browser: httpx.Client, path: str, status: int) -> None:
    assert browser.get(path).status_code == status


def test_the_journal_needs_the_key(shop: Stripe, browser: httpx.Client) -> None:
    shop.press(shop.session().id, "pay")
    assert browser.get("/_sandbox/journal").status_code == 401
    headers = {"authorization": f"Bearer {KEY}"}
    found = browser.get("/_sandbox/journal", headers=headers).json()
    assert (found["count"], found["totals"]) == (1, {"eur": 2500})
    assert list(found["kept"].values()) == [2500]


def test_the_knobs(shop: Stripe) -> None:
    assert control(shop, "webhooks", loss="0.5", is_held="true").is_success
    behaviour = shop.state.deliveries.behaviour
    assert (behaviour.loss, behaviour.is_held, behaviour.repeat) == (0.5, True, 0)
    assert control(shop, "webhooks", loss="2").status_code == 400
    assert control(shop, "webhooks", losses="1").status_code == 400
    assert control(shop, "faults", kind="meteor").status_code == 400
    assert control(shop, "nothing").status_code == 404
    made = shop.session()
    assert control(shop, f"sessions/{made.id}/act", act="pay").is_success
    [intent] = shop.v1.payment_intents.list().data
    dispute = control(shop, f"intents/{intent.id}/dispute").json()
    assert shop.taken() == {"eur": 0}
    assert control(shop, f"disputes/{dispute['id']}/close", outcome="won").is_success
    assert shop.taken() == {"eur": 2500}


def test_bodies_are_bounded(browser: httpx.Client) -> None:
    assert browser.post("/v1/customers", content=b"a" * 2**21).status_code == 413
    deep = {"a" + "[b]" * 50: "1"}
    headers = {"authorization": f"Bearer {KEY}"}
    reply = browser.post("/v1/customers", data=deep, headers=headers)
    assert reply.status_code == 400
