"""What tells a request that a client sends again from another one.

    x-stainless-retry-count: 0, 1, 2   every OpenAI SDK, on each attempt
    Idempotency-Key: <any name>        whoever wants it, on every attempt the same

Digests are keyed with SECRET_KEY: whoever reads the database cannot try out prompts
against them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import orjson
from django.conf import settings

from proxy.http import refusals

KEY = "HTTP_IDEMPOTENCY_KEY"
RETRY_COUNT = "HTTP_X_STAINLESS_RETRY_COUNT"
READ_TIMEOUT = "HTTP_X_STAINLESS_READ_TIMEOUT"

KEY_LENGTH_MAX = 255
# How long a repeat waits for the first attempt when its client names no timeout.
WAIT_SECONDS = 30.0
# Before the client's own timeout, so that it gets an answer and not silence.
MARGIN_SECONDS = 1.0
DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Mark:
    """What one attempt says of itself."""

    key: str  # "" without an Idempotency-Key
    retry_count: int
    wait_seconds: float  # what its client has patience for

    @property
    def may_repeat(self) -> bool:
        """Whether there can have been an attempt before this one."""
        return bool(self.key) or self.retry_count > 0


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`id` finds earlier attempts, `content` tells whether they asked the same.

    Both 32 hexadecimal digits. Without a key one decides the other; with one, `id` is
    of the key and not of the body, so that another body under the same key is noticed.
    """

    id: str
    content: str


def takes_part(meta: Mapping[str, Any]) -> bool:
    """Whether a request, by its headers, may be one that is sent again."""
    return RETRY_COUNT in meta or KEY in meta


def read(meta: Mapping[str, Any]) -> Mark | None:
    """The mark of a request; None when it takes no part.

    Raises: GatewayError (400) for a key that is none.
    """
    if not takes_part(meta):
        return None
    key = meta.get(KEY, "")
    if KEY in meta and not _is_key(key):
        raise refusals.invalid_idempotency_key(KEY_LENGTH_MAX)
    count = meta.get(RETRY_COUNT, "")
    is_count = count.isascii() and count.isdigit() and len(count) < 4
    if not is_count and not key:
        return None  # no SDK's word: a request like any other
    return Mark(key, int(count) if is_count else 0, _wait_seconds(meta))


def _is_key(key: str) -> bool:
    return 0 < len(key) <= KEY_LENGTH_MAX and key.isascii() and key.isprintable()


def _wait_seconds(meta: Mapping[str, Any]) -> float:
    try:
        seconds = float(meta[READ_TIMEOUT])
    except (KeyError, ValueError):
        return WAIT_SECONDS
    if not seconds > 0:  # nor "nan"
        return WAIT_SECONDS
    longest = float(settings.UPSTREAM_TOTAL_SECONDS)
    return min(max(seconds - MARGIN_SECONDS, seconds / 2), longest)


def body_digest(content: bytes) -> str:
    """Of a body as it was sent: SDKs send the same bytes on each attempt."""
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES, key=_key()).hexdigest()


def parts_digest(parts: Iterable[tuple[str, str, bytes]]) -> str:
    """Of a form's parts in their order, each (field, file name or "", content): the
    boundary between them is another one on each attempt."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES, key=_key())
    for field, file_name, content in parts:
        # With the length in front, no two lists of parts are the same bytes.
        digest.update(orjson.dumps([field, file_name, len(content)]))
        digest.update(content)
    return digest.hexdigest()


def fingerprint(
    mark: Mark, *, spender_id: int, method: str, path: str, query: str, body: str
) -> Fingerprint:
    """Of one spender's request; `query` as in the URL, `body` a digest."""
    fields = sorted(parse_qsl(query, keep_blank_values=True, errors="replace"))
    content = _digest(method, path, fields, body)
    if not mark.key:
        return Fingerprint(_digest(spender_id, "content", content), content)
    # A key's scope is one spender's use of one endpoint.
    return Fingerprint(_digest(spender_id, "key", method, path, mark.key), content)


def _digest(*parts: Any) -> str:
    return body_digest(orjson.dumps(parts))


@cache
def _key() -> bytes:
    return hashlib.blake2b(
        settings.SECRET_KEY.encode(), person=b"fingerprints"
    ).digest()
