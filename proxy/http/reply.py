"""Replies of `/v1`, whatever they say: JSON, with a request id, and never cached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from django.http import HttpResponse

from billing.values.ids import new_id
from portal.tenants.key_format import masked
from proxy.http import refusals
from proxy.http.errors import GatewayError
from proxy.http.handler import LeanRequest

JSON = "application/json"


def headers(request_id: str = "") -> dict[str, str]:
    """What every reply says; a call's request id is `req_` and the id of its hold."""
    return {
        "x-request-id": request_id or f"req_{new_id()}",
        "cache-control": "no-store",
    }


def json(
    document: Mapping[str, Any], said: Mapping[str, str] | None = None
) -> HttpResponse:
    """`said` are headers that begin as `headers` does."""
    return HttpResponse(
        orjson.dumps(document), headers=said or headers(), content_type=JSON
    )


def error(refused: GatewayError, said: Mapping[str, str] | None = None) -> HttpResponse:
    """The refusal in OpenAI's shape; `said` as in `json`."""
    response = json(describe(refused), said)
    response.status_code = refused.status
    if refused.should_retry is not None:
        response["x-should-retry"] = "true" if refused.should_retry else "false"
    if refused.retry_after_seconds is not None:
        response["retry-after"] = str(refused.retry_after_seconds)
    if refused.allow:
        response["allow"] = refused.allow
    return response


def describe(refused: GatewayError) -> dict[str, Any]:
    """`{"error": {"message", "type", "param", "code", "metadata"?}}`."""
    body: dict[str, Any] = {
        # Whoever writes a key where none belongs is not to find it in a log of answers.
        "message": masked(refused.message),
        "type": refused.type,
        "param": refused.param and masked(refused.param),
        "code": refused.code,
    }
    if refused.metadata:
        body["metadata"] = refused.metadata
    return {"error": body}


def not_found(request: LeanRequest) -> HttpResponse:
    return error(refusals.unsupported_endpoint(request.method, request.path_info))


def crashed() -> HttpResponse:
    return error(refusals.internal_error())
