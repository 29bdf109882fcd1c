"""What clients do a little wrong or unlike OpenAI's: understood, or told how."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.gateway.refused import assert_nothing_happened, assert_refusal
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, json_reply

pytestmark = pytest.mark.once


def test_an_address_without_v1_is_told_to_have_it(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    for method, path in (
        *(("POST", "/chat/completions"), ("POST", "/responses"), ("GET", "/models")),
        *(("POST", "/images/generations"), ("POST", "/messages")),
        ("POST", "/openai/deployments/x/chat/completions"),
    ):
        reply = httpx.request(method, live_gateway.url + path, content=b"{}")
        assert_refusal(reply, 404, "unsupported_endpoint")
        message = reply.json()["error"]["message"]
        assert f"set base_url to {live_gateway.url}/v1" in message, path
    assert_nothing_happened(customer, upstream)


def test_anthropics_messages_are_told_what_to_send(
    live_gateway: Gateway, customer: Customer
) -> None:
    reply = customer.http(live_gateway).post("/messages?beta=true", json={})
    assert_refusal(reply, 404, "unsupported_endpoint")
    assert "send chat completions to /v1/chat" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"error": "Too long."}, "Too long."),
        ({"message": "Too long."}, "Too long."),
        ({"detail": "Too long."}, "Too long."),
        ({"detail": [{"msg": "a is missing"}, {"msg": "b"}]}, "a is missing; b"),
        ({"error": {"message": "Too long."}}, "Too long."),
        ({"error": {"detail": "Too long."}}, "Too long."),
        ({"error": 7}, "The upstream refused the request."),
        ({"error": "key upstream-test-key"}, None),
    ],
)
def test_an_error_keeps_its_words(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, said: Any, words: Any
) -> None:
    upstream.on(model="m", reply=json_reply(said, status=422, charge="never"))
    reply = customer.chat(live_gateway, "m")

    assert_refusal(reply, 422, "upstream_refused")
    if words is not None:
        assert reply.json()["error"]["message"] == words
    assert [hold.state for hold in customer.holds()] == ["released"]


def test_an_error_in_a_200_is_one_in_whichever_shape(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=json_reply({"error": "busy"}))
    reply = customer.chat(live_gateway, "m")
    assert_refusal(reply, 502, "upstream_ambiguous")


def test_what_an_assistant_refused_goes_on_as_its_words(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    refusal = {"type": "refusal", "refusal": "No."}
    said: dict[str, Any] = {"role": "assistant", "content": [refusal], "refusal": None}
    reply = customer.chat(live_gateway, messages=[said, *SAY_HI])
    assert reply.status_code == 200
    assert upstream.journal.last.body["messages"][0]["content"] == "No."


def test_other_answers_than_texts_are_refused_by_name(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    reply = customer.chat(live_gateway, modalities=["text", "audio"])
    assert_refusal(reply, 400, "unsupported_parameter")
    assert reply.json()["error"]["param"] == "modalities"
    assert_nothing_happened(customer, upstream)


def test_a_file_name_in_latin_1_is_taken(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    head = 'Content-Disposition: form-data; name="{}"'
    parts = [
        head.format("model").encode() + b"\r\n\r\nm",
        head.format("file").encode() + b'; filename="caf\xe9.wav"\r\n\r\nRIFF',
    ]
    body = b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"
    reply = customer.http(live_gateway).post(
        "/audio/transcriptions",
        content=body,
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert reply.status_code == 200, reply.text
    assert "UklGRg==" in upstream.journal.last.body["file"]


def test_pages_of_other_origins_may_call_where_the_operator_says_so(
    gateway: GatewayFactory, live_gateway: Gateway, customer: Customer
) -> None:
    page = "https://app.example.com"
    own = gateway(CORS_ORIGINS=f"{page}/, https://b.example:8443")
    asks = {
        "origin": page,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    told = httpx.options(f"{own.base_url}/chat/completions", headers=asks)
    assert told.status_code == 204
    assert told.headers["access-control-allow-origin"] == page
    assert "POST" in told.headers["access-control-allow-methods"]
    assert "authorization" in told.headers["access-control-allow-headers"]
    reply = customer.http(own).get("/models", headers={"origin": page})
    assert reply.headers["access-control-allow-origin"] == page
    assert reply.headers["vary"] == "origin"
    assert "x-credits-charged" in reply.headers["access-control-expose-headers"]
    for served, origin in ((own, "https://evil.example"), (live_gateway, page)):
        reply = customer.http(served).get("/models", headers={"origin": origin})
        assert "access-control-allow-origin" not in reply.headers
        asked = {**asks, "origin": origin}
        told = httpx.options(f"{served.base_url}/chat/completions", headers=asked)
        assert "access-control-allow-origin" not in told.headers
