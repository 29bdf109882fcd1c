"""The sandbox's refusals, in the contract's Error shape and nowhere else.

SandboxError
├── InvalidRequest      400  names the field
├── InvalidKey          401
├── UnknownPath         404
├── ModelNotFound       404
├── MethodNotAllowed    405
├── BodyTooSlow         408
├── BodyTooBig          413
└── Crashed             500
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


class Crashed(SandboxError):
    status = 500
    kind = "server_error"
    code = "internal_error"
    message = "The sandbox failed."


class Responder:
    """What the lean handler answers when no view did."""

    def not_found(self, request: HttpRequest) -> HttpResponse:
        return UnknownPath().response()

    def crashed(self, request: HttpRequest) -> HttpResponse:
        return Crashed().response()
