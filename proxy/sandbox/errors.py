"""The sandbox's refusals, in the contract's Error shape: one table, by their codes."""

from __future__ import annotations

import uuid

import orjson
from django.http import HttpResponse

REQUEST_ID_HEADER = "x-request-id"
REQUEST, LIMIT, SERVER = "invalid_request_error", "rate_limit_error", "server_error"
# code: status, type, message
REFUSALS = {
    "invalid_request": (400, REQUEST, "{}: {}"),
    "content_policy_violation": (400, REQUEST, "The content policy forbids it."),
    "invalid_api_key": (401, "authentication_error", "Missing or invalid API key."),
    "not_found": (404, REQUEST, "There is no such path."),
    "model_not_found": (404, REQUEST, "model: there is no model {!r}."),
    "job_not_found": (404, REQUEST, "There is no such job."),
    "method_not_allowed": (405, REQUEST, "Use {} here."),
    "request_timeout": (408, REQUEST, "The request body did not arrive in time."),
    "request_too_large": (413, REQUEST, "The request body is too large."),
    "rate_limit_exceeded": (429, LIMIT, "Too many requests."),
    "internal_error": (500, SERVER, "The sandbox failed."),
    "overloaded": (503, SERVER, "The sandbox is overloaded."),
}
HEADERS = {
    "method_not_allowed": {"Allow": "{}"},
    "rate_limit_exceeded": {"Retry-After": "1"},
}


class Refusal(Exception):
    """One of the table's; `details` fill the gaps of its message."""

    def __init__(self, code: str, *details: str) -> None:
        self.code = code
        self.status, self.kind, message = REFUSALS[code]
        self.details = details
        super().__init__(message.format(*details))

    def response(self) -> HttpResponse:
        body = {"message": str(self), "type": self.kind, "code": self.code}
        reply = HttpResponse(
            orjson.dumps({"error": body}),
            status=self.status,
            content_type="application/json",
        )
        reply[REQUEST_ID_HEADER] = new_request_id()
        for name, value in HEADERS.get(self.code, {}).items():
            reply[name] = value.format(*self.details)
        return reply


def new_request_id() -> str:
    """For replies that charge nothing; the others carry their journal id."""
    return f"req-{uuid.uuid4().hex}"


def invalid(field: str, problem: str) -> Refusal:
    """The refusal (400) of a field."""
    return Refusal("invalid_request", field, problem)
