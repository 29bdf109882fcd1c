"""Refusals of `/v1`: the exception, and the table of all there are.

`type` decides the exception class in LiteLLM, `status` in OpenAI's SDKs, and
`x-should-retry` whether those SDKs try again by themselves. The sentences are in
`refusals.py`, which is what call sites use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Any

INVALID = "invalid_request_error"
AUTHENTICATION = "authentication_error"
PERMISSION = "permission_error"
QUOTA = "insufficient_quota"
RATE = "rate_limit_error"
CONFLICT = "conflict_error"
SERVER = "server_error"


@dataclass
class GatewayError(Exception):
    """A reply other than success, complete with what a client should do next."""

    status: int
    type: str
    code: str
    message: str
    param: str | None = None
    should_retry: bool | None = False  # None: the SDK decides by the status
    retry_after_seconds: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    allow: str = ""  # the Allow header of a 405

    def __post_init__(self) -> None:
        super().__init__(self.message)


# fmt: off
@unique
class Refusal(Enum):
    """The table. A code with several meanings has a row for each."""

    # code, status, type; and where it is not just "false": x-should-retry (None: not
    # sent, the SDK decides by the status), retry-after in seconds
    INVALID_REQUEST =         "invalid_request",         400, INVALID
    UNSUPPORTED_PARAMETER =   "unsupported_parameter",   400, INVALID
    UNSUPPORTED_CONTENT =     "unsupported_content",     400, INVALID
    INVALID_IDEMPOTENCY_KEY = "invalid_idempotency_key", 400, INVALID
    CLIENT_CLOSED_REQUEST =   "client_closed_request",   400, INVALID
    UPSTREAM_REFUSED =        "upstream_refused",        400, INVALID
    MISSING_API_KEY =         "missing_api_key",         401, AUTHENTICATION
    MALFORMED_API_KEY =       "malformed_api_key",       401, AUTHENTICATION
    INVALID_API_KEY =         "invalid_api_key",         401, AUTHENTICATION
    KEY_REVOKED =             "key_revoked",             401, AUTHENTICATION
    KEY_EXPIRED =             "key_expired",             401, AUTHENTICATION
    INSUFFICIENT_CREDITS =    "insufficient_credits",    402, QUOTA
    ORGANIZATION_SUSPENDED =  "organization_suspended",  403, PERMISSION
    PERMISSION_DENIED =       "permission_denied",       403, PERMISSION
    UNSUPPORTED_ENDPOINT =    "unsupported_endpoint",    404, INVALID
    MODEL_NOT_FOUND =         "model_not_found",         404, INVALID
    JOB_NOT_FOUND =           "job_not_found",           404, INVALID
    REQUEST_NOT_FOUND =       "request_not_found",       404, INVALID
    VIDEO_EXPIRED =           "video_expired",           404, INVALID
    VIDEO_FAILED =            "upstream_job_failed",     404, INVALID
    VIDEO_LOST =              "upstream_job_lost",       404, INVALID
    METHOD_NOT_ALLOWED =      "method_not_allowed",      405, INVALID
    REQUEST_TIMEOUT =         "request_timeout",         408, INVALID
    REQUEST_IN_PROGRESS =     "request_in_progress",     409, CONFLICT, None, 1
    ALREADY_COMPLETED =       "already_completed",       409, CONFLICT
    EARLIER_IN_DOUBT =        "upstream_ambiguous",      409, CONFLICT
    VIDEO_NOT_READY =         "video_not_ready",         409, CONFLICT
    REQUEST_TOO_LARGE =       "request_too_large",       413, INVALID
    UNSUPPORTED_ENCODING =    "unsupported_encoding",    415, INVALID
    UNSUPPORTED_MEDIA_TYPE =  "unsupported_media_type",  415, INVALID
    IDEMPOTENCY_MISMATCH =    "idempotency_mismatch",    422, INVALID
    CREDITS_ON_HOLD =         "credits_on_hold",         429, RATE, None, 2
    RATE_LIMIT_EXCEEDED =     "rate_limit_exceeded",     429, RATE, None, 1
    UPSTREAM_RATE_LIMITED =   "upstream_rate_limited",   429, RATE, None, 1
    INTERNAL_ERROR =          "internal_error",          500, SERVER
    UPSTREAM_UNREACHABLE =    "upstream_error",          502, SERVER, True, 1
    UPSTREAM_DECLINED =       "upstream_error",          502, SERVER
    UPSTREAM_AMBIGUOUS =      "upstream_ambiguous",      502, SERVER
    UPSTREAM_NO_JOB =         "upstream_no_job",         502, SERVER
    UPSTREAM_NO_RESULT =      "upstream_no_result",      502, SERVER
    UPSTREAM_JOB_FAILED =     "upstream_job_failed",     502, SERVER
    UPSTREAM_JOB_LOST =       "upstream_job_lost",       502, SERVER
    MEDIA_UNAVAILABLE =       "media_unavailable",       502, SERVER
    UPSTREAM_BUSY =           "upstream_error",          503, SERVER, True, 1
    UPSTREAM_UNAVAILABLE =    "upstream_unavailable",    503, SERVER
    NO_MODEL_LIST =           "upstream_unavailable",    503, SERVER, True, 2
    LEDGER_UNAVAILABLE =      "ledger_unavailable",      503, SERVER, True, 2
    NOT_SETTLED =             "ledger_unavailable",      503, SERVER
    TOO_MANY_UPLOADS =        "too_many_uploads",        503, SERVER, True, 5
    UPSTREAM_TIMEOUT =        "upstream_ambiguous",      504, SERVER
    JOB_STILL_RUNNING =       "job_still_running",       504, SERVER
    # fmt: on

    def __init__(
        self,
        code: str,
        status: int,
        type: str,
        should_retry: bool | None = False,
        retry_after_seconds: int | None = None,
    ) -> None:
        self.code = code
        self.status = status
        self.type = type
        self.should_retry = should_retry
        self.retry_after_seconds = retry_after_seconds

    def __call__(
        self, message: str, *, param: str | None = None, **metadata: Any
    ) -> GatewayError:
        """The error to raise, with its sentence."""
        return GatewayError(
            self.status,
            self.type,
            self.code,
            message,
            param,
            self.should_retry,
            self.retry_after_seconds,
            metadata,
        )
