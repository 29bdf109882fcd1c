"""Numbers, queries and keys that a client or the upstream writes where none belong."""

from __future__ import annotations

import json
import socket

import httpx
import pytest

from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.services.environment import UPSTREAM_API_KEY
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import ScriptedReply, Upstream, error_json
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.once


def escaped(text: str) -> str:
    """As JSON may write it: every character by its number."""
    return "".join(f"\\u{ord(c):04X}" for c in text)


@pytest.mark.parametrize(
    ("wish", "told"),
    [("\u00b2", "1"), ("9" * 5000, "60"), ("0" * 3000 + "7", "7"), ("-1", "1")],
)
def test_a_pause_of_the_upstreams_is_read_or_none(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, wish: str, told: str
) -> None:
    reply = error_json(429, "slow", headers={"retry-after": wish})
    upstream.on(model="m", reply=reply)
    answer = customer.chat(live_gateway, "m")
    assert_refusal(answer, 429, "upstream_rate_limited")
    assert answer.headers["retry-after"] == told


def test_a_query_of_1001_fields_is_refused(
    quiet_gateway: Gateway, customer: Customer
) -> None:
    before = len(quiet_gateway.log_text())
    query = "&".join(f"f{number}=1" for number in range(1001))
    client = customer.http(quiet_gateway)
    for path in ("usage", "models", "credits", "envelopes", "key"):
        answer = client.get(f"/{path}?{query}")
        assert answer.status_code < 500, answer.text
    answer = client.post(f"/chat/completions?{query}", json={"model": "m"})
    assert_refusal(answer, 400, "invalid_request")
    assert "Traceback" not in quiet_gateway.log_text()[before:]


@pytest.mark.parametrize("length", ["²", "-1", "9" * 5000, "0x10"])
def test_a_length_that_is_none_is_refused(quiet_gateway: Gateway, length: str) -> None:
    """By the server already, or by us: with an answer or a closed connection."""
    before = len(quiet_gateway.log_text())
    head = (
        "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", quiet_gateway.port)) as raw:
        raw.settimeout(PATIENCE_SECONDS)
        raw.sendall(head.encode())
        raw.shutdown(socket.SHUT_WR)
        answer = raw.makefile("rb").read()
    assert not answer or answer.startswith((b"HTTP/1.1 4",)), answer[:100]
    assert "Traceback" not in quiet_gateway.log_text()[before:]


def test_a_key_in_the_address_is_not_said_again(
    quiet_gateway: Gateway, customer: Customer
) -> None:
    secret = customer.secret
    for path in (f"/v1/{secret}/models", f"/v1/models/{secret}", f"/{secret}"):
        answer = httpx.get(f"{quiet_gateway.url}{path}?api_key={secret}")
        assert answer.status_code in {401, 404}
        assert secret[9:] not in answer.text
    assert secret[9:] not in quiet_gateway.log_text()


def test_what_the_upstream_escapes_does_not_show_its_key(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer
) -> None:
    hidden = escaped(UPSTREAM_API_KEY)
    model = f'{{"id": "m", "owned_by": "{hidden}", "by": "{UPSTREAM_API_KEY}"}}'
    listed = f'{{"data": [{model}]}}'.encode()
    upstream.on(path="/models", reply=ScriptedReply(steps=(listed,), charge="never"))
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    text = json.dumps(
        {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "HIDDEN"},
                    "finish_reason": "stop",
                }
            ],
            "usage": {**usage, "credits_used": 1},
        }
    ).replace("HIDDEN", hidden)
    headers = {"x-request-id": UPSTREAM_API_KEY}
    reply = ScriptedReply(steps=(text.encode(),), credits=1, headers=headers)
    upstream.on(model="m", reply=reply)
    started = gateway()
    models = customer.http(started).get("/models")
    assert models.status_code == 200
    assert "[redacted]" in models.text
    assert UPSTREAM_API_KEY not in str(models.json())
    answer = customer.chat(started, "m")
    assert answer.json()["choices"][0]["message"]["content"] == "[redacted]"
    assert UPSTREAM_API_KEY not in str(answer.json()) + str(answer.headers)
    [record] = customer.records()
    assert UPSTREAM_API_KEY not in record.upstream_id


@pytest.mark.parametrize("path", ["/v1/models", "/v1/nowhere", "/account/sign-in"])
@pytest.mark.parametrize(
    "said",
    ["multipart/form-data; boundary*=foo''bar", "text/plain; a*=undefined''b%ff"],
)
def test_an_encoding_that_is_none_is_the_clients_fault(
    quiet_gateway: Gateway, path: str, said: str
) -> None:
    before = len(quiet_gateway.log_text())
    answer = httpx.post(f"{quiet_gateway.url}{path}", headers={"content-type": said})
    assert answer.status_code == 400
    assert "Traceback" not in quiet_gateway.log_text()[before:]
