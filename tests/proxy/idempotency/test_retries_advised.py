"""`x-should-retry` on every error: true only where nothing was done."""

from __future__ import annotations

from uuid import uuid4

import pytest

from billing.values import errors as ledger_errors
from portal.tenants.errors import ExpiredKey, MalformedKey, RevokedKey, UnknownKey
from portal.tenants.keys import Identity
from proxy.http import refusals, upstream_refusals
from proxy.http import reply as replies
from proxy.http.errors import GatewayError
from proxy.http.handler import BodyTooLarge
from tests.support.gateway.customers import Customer
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    Ending,
    ScriptedReply,
    Upstream,
    chat_json,
    error_json,
)

# status, type, code, x-should-retry (None: the SDK decides by status), Retry-After
Row = tuple[int, str, str, str | None, str | None]


def translated(error: Exception) -> GatewayError:
    found = refusals.translate(error)
    assert found is not None
    return found


WHO = Identity(uuid4(), 1, 1, "acme", None, "laptop")
SHORT = {"required_micros": 3, "available_micros": 2, "held_micros": 1}
NEVER: tuple[str | None, str | None] = ("false", None)
AUTHENTICATION, INVALID = "authentication_error", "invalid_request_error"
CONFLICT, SERVER = "conflict_error", "server_error"

TABLE: list[tuple[GatewayError, Row]] = [
    (
        refusals.key_refused(error),
        (401, AUTHENTICATION, error.code, *NEVER),
    )
    for error in (MalformedKey(), UnknownKey(), RevokedKey(), ExpiredKey())
] + [
    (refusals.key_missing(), (401, AUTHENTICATION, "missing_api_key", *NEVER)),
    (
        refusals.organization_suspended(),
        (403, "permission_error", "organization_suspended", *NEVER),
    ),
    (
        refusals.shortfall(ledger_errors.InsufficientCredits(**SHORT), WHO),
        (402, "insufficient_quota", "insufficient_credits", *NEVER),
    ),
    (
        refusals.shortfall(ledger_errors.CreditsOnHold(**SHORT), WHO),
        (429, "rate_limit_error", "credits_on_hold", None, "2"),
    ),
    (refusals.invalid("Wrong."), (400, INVALID, "invalid_request", *NEVER)),
    (translated(BodyTooLarge()), (413, INVALID, "request_too_large", *NEVER)),
    (
        refusals.request_in_progress(),
        (409, CONFLICT, "request_in_progress", None, "1"),
    ),
    (
        refusals.already_completed(request_id="req_1", charged_credits="1"),
        (409, CONFLICT, "already_completed", *NEVER),
    ),
    (
        refusals.earlier_in_doubt(request_id="req_1"),
        (409, CONFLICT, "upstream_ambiguous", *NEVER),
    ),
    (
        refusals.idempotency_mismatch(),
        (422, INVALID, "idempotency_mismatch", *NEVER),
    ),
    (
        translated(ledger_errors.LedgerUnavailable()),
        (503, SERVER, "ledger_unavailable", "true", "2"),
    ),
    (
        upstream_refusals.upstream_ambiguous("upstream_timeout"),
        (504, SERVER, "upstream_ambiguous", *NEVER),
    ),
    (
        upstream_refusals.upstream_ambiguous("upstream_cut"),
        (502, SERVER, "upstream_ambiguous", *NEVER),
    ),
    (refusals.internal_error(), (500, SERVER, "internal_error", *NEVER)),
]


@pytest.mark.parametrize(("error", "row"), TABLE, ids=[row[2] for _, row in TABLE])
def test_what_the_gateway_itself_refuses(error: GatewayError, row: Row) -> None:
    reply = replies.error(error)
    found = (
        reply.status_code,
        error.type,
        error.code,
        reply.headers.get("x-should-retry"),
        reply.headers.get("retry-after"),
    )
    assert found == row


@pytest.mark.once
@pytest.mark.parametrize(
    ("answer", "row"),
    [
        (error_json(401), (503, SERVER, "upstream_unavailable", *NEVER)),
        (error_json(402), (503, SERVER, "upstream_unavailable", *NEVER)),
        (error_json(403), (503, SERVER, "upstream_unavailable", *NEVER)),
        (
            error_json(429, headers={"retry-after": "600"}),
            (429, "rate_limit_error", "upstream_rate_limited", None, "60"),
        ),
        (error_json(503), (503, SERVER, "upstream_error", "true", "1")),
        (error_json(500), (502, SERVER, "upstream_ambiguous", *NEVER)),
        (
            chat_json().dropped(Ending.RESET),
            (502, SERVER, "upstream_ambiguous", *NEVER),
        ),
    ],
    ids=["401", "402", "403", "429", "503", "500", "cut"],
)
def test_what_the_upstream_does(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    answer: ScriptedReply,
    row: Row,
) -> None:
    upstream.on(model="m", reply=answer)
    reply = customer.chat(live_gateway, "m")
    error = reply.json()["error"]
    found = (
        reply.status_code,
        error["type"],
        error["code"],
        reply.headers.get("x-should-retry"),
        reply.headers.get("retry-after"),
    )
    assert found == row


@pytest.mark.once
@pytest.mark.parametrize("path", ["/moderations", "/models/nobodys/model"])
def test_what_is_not_there(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, path: str
) -> None:
    http = customer.http(live_gateway)
    reply = http.get(path) if "models" in path else http.post(path, json={})
    assert reply.status_code == 404
    assert reply.headers["x-should-retry"] == "false"
    assert reply.json()["error"]["type"] == INVALID
