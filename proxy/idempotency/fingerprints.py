"""What tells a request that a client sends again from another one.

    x-stainless-retry-count: 0, 1, 2   every OpenAI SDK, on each attempt
    Idempotency-Key: <any name>        whoever wants it, on every attempt the same

What a client asked is only kept as a digest under the installation's own key: whoever
has nothing but a row of it cannot try out prompts against it. What its Idempotency-Key
is found by has no secret in it, and neither depends on a setting or on an API key: the
same request is known on another machine, and after either was changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from urllib.parse import parse_qsl

import orjson
from django.conf import settings

from billing.values import numbers
from portal.tenants.keys import Identity
from proxy.http import refusals
from proxy.http.handler import LeanRequest

KEY = "HTTP_IDEMPOTENCY_KEY"
RETRY_COUNT = "HTTP_X_STAINLESS_RETRY_COUNT"
# Seconds until the client gives up, as openai-python and openai-js say it.
TIMEOUTS = ("HTTP_X_STAINLESS_READ_TIMEOUT", "HTTP_X_STAINLESS_TIMEOUT")

RETRY_COUNT_MAX = 999
KEY_LENGTH_MAX = 255
TIMEOUT_SECONDS_MAX = 1_000_000
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
    timeout_seconds: float | None  # when its client gives up, if it says so

    @property
    def wait_seconds(self) -> float:
        """How long it may wait for another attempt, so that its client gets an answer
        and not silence."""
        seconds = self.timeout_seconds
        if seconds is None:
            return WAIT_SECONDS
        longest = float(settings.UPSTREAM_TOTAL_SECONDS)
        return min(max(seconds - MARGIN_SECONDS, seconds / 2), longest)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`id` finds earlier attempts, `content` tells whether they asked the same.

    Both 32 hexadecimal digits. Without a key one decides the other; with one, `id` is
    of the key and not of the body, so that another body under the same key is noticed.
    """

    id: str
    content: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What one request asks; `query` as in its URL, `body` a digest."""

    method: str
    path: str
    query: str
    accept: str
    body: bytes


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
    tries = numbers.whole(count, most=RETRY_COUNT_MAX)
    if tries is None and not key:
        return None  # no SDK's word: a request like any other
    return Mark(key, tries or 0, _timeout_seconds(meta))


def _is_key(key: str) -> bool:
    return 0 < len(key) <= KEY_LENGTH_MAX and key.isascii() and key.isprintable()


def _timeout_seconds(meta: Mapping[str, Any]) -> float | None:
    for name in TIMEOUTS:
        try:
            seconds = float(meta[name])
        except (KeyError, ValueError):
            continue
        if 0 < seconds < TIMEOUT_SECONDS_MAX:  # nor "nan"
            return seconds
    return None


def body_digest(content: bytes) -> bytes:
    """Of a body as it was sent: SDKs send the same bytes on each attempt."""
    return hashlib.blake2b(content).digest()


def parts_digest(parts: Iterable[tuple[str, str, bytes]]) -> bytes:
    """Of a form's parts in their order, each (field, file name or "", content): the
    boundary between them is another one on each attempt."""
    digest = hashlib.blake2b()
    for field, file_name, content in parts:
        # With the length in front, no two lists of parts are the same bytes.
        digest.update(orjson.dumps([field, file_name, len(content)]))
        digest.update(content)
    return digest.digest()


def of_request(
    mark: Mark, request: LeanRequest, identity: Identity, digest_key: bytes
) -> Fingerprint:
    """Of a request whose body was read: all of it that decides the answer."""
    return fingerprint(
        mark,
        Asked(
            method=request.method or "",
            path=request.path_info,
            query=request.META.get("QUERY_STRING", ""),
            accept=request.META.get("HTTP_ACCEPT", ""),
            body=request.body_digest,
        ),
        account_id=identity.account_id,
        spender_id=identity.spender_id,
        digest_key=digest_key,
    )


def fingerprint(
    mark: Mark, asked: Asked, *, account_id: int, spender_id: int, digest_key: bytes
) -> Fingerprint:
    """An Idempotency-Key's scope is one organization's use of one endpoint, whichever
    of its API keys it comes with; without one it is one spender's request."""
    # Fields in their order, where they have the same name: the last one counts.
    fields = parse_qsl(asked.query, keep_blank_values=True, errors="replace")
    fields.sort(key=itemgetter(0))
    accepted = "".join(asked.accept.lower().split()) or "*/*"
    words = [asked.method, asked.path, fields, accepted, asked.body.hex()]
    content = _digest(words, digest_key)
    if not mark.key:
        return Fingerprint(_digest([spender_id, content], digest_key), content)
    key = [account_id, asked.method, asked.path, mark.key]
    return Fingerprint(_digest(key), content)


def _digest(words: list[Any], digest_key: bytes = b"") -> str:
    return hashlib.blake2b(
        orjson.dumps(words), digest_size=DIGEST_BYTES, key=digest_key
    ).hexdigest()
