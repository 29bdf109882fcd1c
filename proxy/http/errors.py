"""What a refusal of `/v1` is: the exception, and what `refusals.py` makes it of.

`type` decides the exception class in LiteLLM, `status` in OpenAI's SDKs, and
`x-should-retry` whether those SDKs try again by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    409: "conflict_error",
    429: "rate_limit_error",
}


@dataclass
class GatewayError(Exception):
    """A reply other than success, complete with what a client should do next."""

    status: int
    code: str
    message: str
    param: str | None = None
    should_retry: bool | None = False  # None: the SDK decides by the status
    retry_after_seconds: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    allow: str = ""  # the Allow header of a 405
    spender_id: int | None = None  # whose key was refused; not told

    def __post_init__(self) -> None:
        super().__init__(self.message)

    @property
    def type(self) -> str:
        other = "server_error" if self.status >= 500 else "invalid_request_error"
        return TYPES.get(self.status, other)


@dataclass(frozen=True)
class Refusal:
    """A row of the table of refusals. To call it makes the error to raise."""

    code: str
    status: int
    should_retry: bool | None = False  # x-should-retry; None: not sent
    retry_after_seconds: int | None = None
    sentence: str = "{}"

    def says(self, sentence: str) -> Refusal:
        """The row with its sentence, which may have gaps as `str.format` has them."""
        return replace(self, sentence=sentence)

    def __call__(
        self,
        *words: object,
        param: str | None = None,
        retry_after_seconds: int | None = None,
        **metadata: Any,
    ) -> GatewayError:
        """The error. Words and metadata fill the gaps; clients get the metadata, too.
        `retry_after_seconds` goes before the row's own."""
        if retry_after_seconds is None:
            retry_after_seconds = self.retry_after_seconds
        return GatewayError(
            self.status,
            self.code,
            self.sentence.format(*words, **metadata),
            param,
            self.should_retry,
            retry_after_seconds,
            metadata,
        )
