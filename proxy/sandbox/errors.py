"""The sandbox's refusals, in the contract's Error shape and nowhere else.

SandboxError
├── InvalidRequest      400  names the field
├── ContentRefused      400
├── InvalidKey          401
├── UnknownPath         404
├── ModelNotFound       404
├── JobNotFound         404
├── MethodNotAllowed    405
├── BodyTooSlow         408
├── BodyTooBig          413
├── TooManyRequests     429  with Retry-After
├── Crashed             500
└── Overloaded          503
"""

from __future__ import annotations

import uuid
from typing import ClassVar

import orjson
from django.http import HttpRequest, HttpResponse

REQUEST_ID_HEADER = "x-request-id"


def new_request_id() -> str:
    """For replies that charge nothing; the others carry their journal id."""
    return f"req-{uuid.uuid4().hex}"


class SandboxError(Exception):
    """A refusal that knows its own HTTP reply."""

    status: ClassVar[int]
    kind: ClassVar[str] = "invalid_request_error"
    code: ClassVar[str]
    message: ClassVar[str] = ""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.message)

    def response(self) -> HttpResponse:
        body = {"message": str(self), "type": self.kind, "code": self.code}
        reply = HttpResponse(
            orjson.dumps({"error": body}),
            status=self.status,
            content_type="application/json",
        )
        reply[REQUEST_ID_HEADER] = new_request_id()
        return reply


class InvalidRequest(SandboxError):
    status = 400
    code = "invalid_request"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")


class ContentRefused(SandboxError):
    status = 400
    code = "content_policy_violation"
    message = "The prompt is against the content policy."


class InvalidKey(SandboxError):
    status = 401
    kind = "authentication_error"
    code = "invalid_api_key"
    message = "Missing or invalid API key."


class UnknownPath(SandboxError):
    status = 404
    code = "not_found"
    message = "There is no such path."


class ModelNotFound(SandboxError):
    status = 404
    code = "model_not_found"

    def __init__(self, model: str) -> None:
        super().__init__(f"model: there is no model {model[:100]!r}.")


class JobNotFound(SandboxError):
    status = 404
    code = "job_not_found"
    message = "There is no such job."


class MethodNotAllowed(SandboxError):
    status = 405
    code = "method_not_allowed"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"Use {allowed} here.")
        self.allowed = allowed

    def response(self) -> HttpResponse:
        reply = super().response()
        reply["Allow"] = self.allowed
        return reply


class BodyTooSlow(SandboxError):
    status = 408
    code = "request_timeout"
    message = "The request body did not arrive in time."


class BodyTooBig(SandboxError):
    status = 413
    code = "request_too_large"
    message = "The request body is too large."


class TooManyRequests(SandboxError):
    status = 429
    kind = "rate_limit_error"
    code = "rate_limit_exceeded"
    message = "Too many requests."

    def response(self) -> HttpResponse:
        reply = super().response()
        reply["Retry-After"] = "1"
        return reply


class Crashed(SandboxError):
    status = 500
    kind = "server_error"
    code = "internal_error"
    message = "The sandbox failed."


class Overloaded(SandboxError):
    status = 503
    kind = "server_error"
    code = "overloaded"
    message = "The sandbox is overloaded."


class Responder:
    """What the lean handler answers when no view did."""

    def not_found(self, request: HttpRequest) -> HttpResponse:
        return UnknownPath().response()

    def crashed(self, request: HttpRequest) -> HttpResponse:
        return Crashed().response()
