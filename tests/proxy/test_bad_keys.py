"""Keys that may not pass: each with its own code, and never a forwarded call."""

from __future__ import annotations

from datetime import timedelta

import httpx
import openai
import pytest
from django.utils import timezone

from portal.tenants import key_format, keys, organizations
from tests.support.cast import OPERATOR, actor_of
from tests.support.gateway.customers import SAY_HI, Customer, mistyped
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream
from tests.support.waiting import wait_for

BODY = {"model": "m", "messages": SAY_HI}
CHAT, MODELS = "/chat/completions", "/models"


def call(gateway: Gateway, path: str, **headers: str) -> httpx.Response:
    with httpx.Client(base_url=gateway.base_url, headers=headers) as client:
        return client.get(path) if path == MODELS else client.post(path, json=BODY)


def assert_refused(reply: httpx.Response, status: int, code: str) -> None:
    error = reply.json()["error"]
    type_ = "permission_error" if status == 403 else "authentication_error"
    assert (reply.status_code, error["code"], error["type"]) == (status, code, type_)
    assert reply.headers["x-should-retry"] == "false"
    assert reply.headers["x-request-id"].startswith("req_")


@pytest.mark.once
@pytest.mark.parametrize("path", [CHAT, MODELS])
@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "missing_api_key"),
        ("Bearer", "missing_api_key"),
        ("Basic dTpw", "missing_api_key"),
        ("Bearer sk-proj-1234", "malformed_api_key"),
        pytest.param(
            f"Bearer {mistyped(key_format.generate())}",
            "malformed_api_key",
            id="mistyped",
        ),
        pytest.param(
            f"Bearer {key_format.generate()}x", "malformed_api_key", id="too long"
        ),
        ("Bearer tg_live_\xe9\xb2", "malformed_api_key"),
        ("Bearer " + "x" * 8_000, "malformed_api_key"),
        pytest.param(
            f"Bearer {key_format.generate()}", "invalid_api_key", id="not issued"
        ),
    ],
)
def test_what_is_no_key_of_ours_is_refused(
    live_gateway: Gateway, upstream: Upstream, path: str, authorization: str, code: str
) -> None:
    given = authorization.encode("latin-1")
    with httpx.Client(base_url=live_gateway.base_url) as client:
        headers = [(b"authorization", given)] if given else []
        method = "GET" if path == MODELS else "POST"
        reply = client.request(method, path, headers=headers, json=BODY)

    assert_refused(reply, 401, code)
    assert len(upstream.journal) == 0


@pytest.mark.once
def test_a_key_is_taken_from_one_place_only(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    secret = customer.secret
    for path in (f"{CHAT}?api_key={secret}", f"{CHAT}?key={secret}"):
        assert_refused(call(live_gateway, path), 401, "missing_api_key")
    for header in ("x-api-key", "api-key", "openai-api-key", "cookie"):
        reply = call(live_gateway, CHAT, **{header: secret})
        assert_refused(reply, 401, "missing_api_key")
    assert len(upstream.journal) == 0
    assert secret not in live_gateway.log_text()


def test_a_revoked_key_is_refused_on_its_very_next_call(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    sdk = customer.openai(live_gateway)
    for round_ in range(1, 6):
        key, sdk.api_key = customer.new_key()
        for _ in range(2):  # the second one from the gateway's memory
            sdk.chat.completions.create(model="m", messages=SAY_HI)
        keys.revoke(key, actor=actor_of(customer.owner))
        for _ in range(2):
            with pytest.raises(openai.AuthenticationError) as refused:
                sdk.chat.completions.create(model="m", messages=SAY_HI)
            assert refused.value.code == "key_revoked"
        with pytest.raises(openai.AuthenticationError):
            sdk.models.list()
        assert len(upstream.journal) == len(customer.holds()) == 2 * round_


@pytest.mark.once
def test_an_expired_key_is_refused_though_it_is_remembered(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    soon = timezone.now() + timedelta(seconds=1.5)
    _, customer.secret = customer.new_key(expires_at=soon)
    assert customer.chat(live_gateway).status_code == 200
    wait_for(lambda: timezone.now() > soon)

    assert_refused(customer.chat(live_gateway), 401, "key_expired")
    assert_refused(customer.http(live_gateway).get(MODELS), 401, "key_expired")
    assert len(upstream.journal) == len(customer.holds()) == 1


def test_a_suspended_organization_may_not_call_and_may_again_when_reopened(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    assert customer.chat(live_gateway).status_code == 200
    organizations.suspend(customer.organization, reason="unpaid", actor=OPERATOR)

    refused = customer.chat(live_gateway)
    assert_refused(refused, 403, "organization_suspended")
    assert len(upstream.journal) == len(customer.holds()) == 1
    client = customer.http(live_gateway)
    for path in ("models", "models/m", f"jobs/job_{'0' * 32}", "envelopes"):
        refused = client.get(f"/{path}")
        assert_refused(refused, 403, "organization_suspended")
    for path in ("key", "credits", "usage"):
        assert client.get(f"/{path}").status_code == 200
    organizations.reopen(customer.organization, actor=OPERATOR)
    assert customer.chat(live_gateway).status_code == 200
