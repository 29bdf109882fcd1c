"""Every refusal of `/v1`, in OpenAI's error shape, from one place.

    {"error": {"message", "type", "param", "code", "metadata"?}}

`type` decides the exception class in LiteLLM, `status` in the OpenAI SDKs, and
`x-should-retry` whether those SDKs try again; clients.md A3 is the table behind it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework import exceptions as drf

from billing.values import errors as ledger_errors
from billing.values.ids import new_id
from proxy.http.handler import BodyTooLarge, ClientGone, LeanRequest
from proxy.http.unsupported import advice

INVALID = "invalid_request_error"
AUTHENTICATION = "authentication_error"
PERMISSION = "permission_error"
QUOTA = "insufficient_quota"
RATE = "rate_limit_error"
CONFLICT = "conflict_error"
SERVER = "server_error"


@dataclass
class GatewayError(Exception):
    """An answer other than success, complete with what a client should do next."""

    status: int
    type: str
    code: str
    message: str
    param: str | None = None
    should_retry: bool | None = False  # None: let the SDK decide by status
    retry_after_seconds: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    allow: str = ""  # the Allow header of a 405

    def __post_init__(self) -> None:
        super().__init__(self.message)


def invalid(message: str, *, param: str | None = None, code: str = "") -> GatewayError:
    """400: the request itself is wrong."""
    return GatewayError(400, INVALID, code or "invalid_request", message, param)


def unsupported(method: str | None, path: str) -> GatewayError:
    """404: nobody answers there, and what to use instead."""
    message = f"There is no {method} {path[:200]}. {advice(path)}"
    return GatewayError(404, INVALID, "unsupported_endpoint", message)


def respond(error: GatewayError, request_id: str) -> HttpResponse:
    """The error as an HTTP reply."""
    body: dict[str, Any] = {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": error.code,
    }
    if error.metadata:
        body["metadata"] = error.metadata
    response = HttpResponse(
        orjson.dumps({"error": body}),
        status=error.status,
        content_type="application/json",
    )
    response["x-request-id"] = request_id
    response["cache-control"] = "no-store"
    if error.should_retry is not None:
        response["x-should-retry"] = "true" if error.should_retry else "false"
    if error.retry_after_seconds is not None:
        response["retry-after"] = str(error.retry_after_seconds)
    if error.allow:
        response["allow"] = error.allow
    return response


def new_request_id() -> str:
    """A request id; 32 of its digits are the id of the call's hold."""
    return f"req_{new_id()}"


def translate(error: Exception) -> GatewayError | None:
    """What other layers raise, as an answer; None for what nobody expected."""
    match error:
        case GatewayError():
            return error
        case ledger_errors.LedgerUnavailable():
            return GatewayError(
                503,
                SERVER,
                "ledger_unavailable",
                "The ledger does not answer, so the call was not made. "
                "Nothing was charged; try again shortly.",
                should_retry=True,
                retry_after_seconds=2,
            )
        case BodyTooLarge():
            return GatewayError(
                413, INVALID, "request_too_large", "The request body is too large."
            )
        case TimeoutError():
            return GatewayError(
                408, INVALID, "request_timeout", "The request body came too slowly."
            )
        case ClientGone():
            return GatewayError(
                400, INVALID, "client_closed_request", "The client went away."
            )
        case drf.MethodNotAllowed():
            return GatewayError(405, INVALID, "method_not_allowed", str(error.detail))
        case drf.APIException():
            code = str(error.get_codes())
            return GatewayError(error.status_code, INVALID, code, str(error.detail))
    return None


def crashed() -> GatewayError:
    """500: a fault of ours; it is in the log under the request id."""
    return GatewayError(
        500,
        SERVER,
        "internal_error",
        "Something went wrong on our side. Quote the request id to your operator.",
    )


class Responder:
    """Answers for the lean handler: what no view has taken."""

    def not_found(self, request: LeanRequest) -> HttpResponseBase:
        error = unsupported(request.method, request.path_info)
        return respond(error, new_request_id())

    def crashed(self, request: LeanRequest) -> HttpResponseBase:
        return respond(crashed(), new_request_id())
