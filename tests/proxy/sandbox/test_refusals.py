"""Every refusal has the contract's Error shape, and none is charged."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from proxy.upstream import schemas
from tests.support.sandbox.server import SAY_HI, Sandbox


def error_of(reply: httpx.Response, status: int) -> dict[str, str]:
    assert reply.status_code == status
    assert reply.headers["x-request-id"].startswith("req-")
    schemas.validator("Error").validate(reply.json())
    error: dict[str, str] = reply.json()["error"]
    assert set(error) == {"message", "type", "code"}
    return error


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer wrong", "Basic x", "Bearer é"]
)
def test_without_the_key_nothing_opens(sandbox: Sandbox, header: str) -> None:
    root = sandbox.base_url.removesuffix("/api/v1")
    headers = [(b"authorization", header.encode("latin1"))]
    for url in (f"{sandbox.base_url}/models", f"{root}/journal"):
        error = error_of(httpx.get(url, headers=headers), 401)
        assert error["code"] == "invalid_api_key"


def test_the_openai_sdk_sees_a_wrong_key(sandbox: Sandbox) -> None:
    with sandbox.openai("wrong") as client, pytest.raises(openai.AuthenticationError):
        client.models.list()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"messages": "hi"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages.0.content"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"model": "flux/dev:free"}, "model"),
    ],
)
def test_a_bad_field_is_named(
    sandbox: Sandbox, fields: dict[str, Any], named: str
) -> None:
    error = error_of(sandbox.chat(**fields), 400)
    assert error["message"].startswith(f"{named}: ")
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"{}", b"\xff"])
def test_a_body_that_is_no_request_is_refused(sandbox: Sandbox, body: bytes) -> None:
    with sandbox.http() as client:
        error = error_of(client.post("/chat/completions", content=body), 400)
    assert error["message"].startswith("body: ")


def test_a_refusal_does_not_repeat_the_prompt(sandbox: Sandbox) -> None:
    reply = sandbox.chat(messages=[{"role": "user", "content": ["top secret"]}])
    assert "secret" not in reply.text


def test_an_unknown_model_is_not_found(sandbox: Sandbox) -> None:
    error = error_of(sandbox.chat(model="openai/gpt-99"), 404)
    assert error["code"] == "model_not_found"


@pytest.mark.parametrize("path", ["/nothing", "/models/", "/../nothing"])
def test_an_unknown_path_is_not_found(sandbox: Sandbox, path: str) -> None:
    with sandbox.http() as client:
        assert error_of(client.get(path), 404)["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/chat/completions", "POST"), ("DELETE", "/models", "GET")],
)
def test_a_wrong_method_is_told_the_right_one(
    sandbox: Sandbox, method: str, path: str, allowed: str
) -> None:
    with sandbox.http() as client:
        reply = client.request(method, path)
    error_of(reply, 405)
    assert reply.headers["allow"] == allowed


def test_a_body_over_the_limit_is_refused(sandbox: Sandbox) -> None:
    with sandbox.http() as client:
        reply = client.post("/chat/completions", content=b" " * (20 * 1024**2 + 1))
    assert error_of(reply, 413)["code"] == "request_too_large"


def test_refusals_are_not_charged(sandbox: Sandbox) -> None:
    before = sandbox.journal()["count"]
    sandbox.chat(max_tokens=0)
    sandbox.chat(messages=SAY_HI, model="none")
    assert sandbox.journal()["count"] == before
