"""The sandbox's replies, and its refusals in the contract's Error shape: one table."""

from __future__ import annotations

import uuid
from typing import Any

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


class Refusal(Exception):
    """One of the table's; `details` fill the gaps of its message."""

    def __init__(self, code: str, *details: str) -> None:
        self.code, self.details = code, details
        self.status, self.kind, message = REFUSALS[code]
        super().__init__(message.format(*details))

    def response(self) -> HttpResponse:
        error = {"message": str(self), "type": self.kind, "code": self.code}
        response = reply({"error": error}, status=self.status)
        if self.code == "method_not_allowed":
            response["Allow"] = self.details[0]
        if self.code == "rate_limit_exceeded":
            response["Retry-After"] = "1"
        return response


def reply(
    document: dict[str, Any], *, status: int = 200, request_id: str = ""
) -> HttpResponse:
    """`request_id` is the journal's, of a call that was charged."""
    content = orjson.dumps(document)
    response = HttpResponse(content, status=status, content_type="application/json")
    response[REQUEST_ID_HEADER] = request_id or f"req-{uuid.uuid4().hex}"
    return response


def invalid(field: str, problem: str) -> Refusal:
    return Refusal("invalid_request", field, problem)
