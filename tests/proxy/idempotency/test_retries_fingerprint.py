"""What makes two requests the same one."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.http.errors import GatewayError
from proxy.idempotency import fingerprints
from proxy.idempotency.fingerprints import Mark, parts_digest

RETRY = Mark(key="", retry_count=1, wait_seconds=1)
REQUEST: dict[str, Any] = {
    "spender_id": 1,
    "method": "POST",
    "path": "/v1/chat/completions",
    "query": "a=1&b=2",
    "body": "0" * 32,
}
OTHERS = [
    {"spender_id": 2},
    {"method": "PUT"},
    {"path": "/v1/embeddings"},
    {"query": "a=1&b=3"},
    {"query": "a=1&b=2&c="},
    {"body": "1" * 32},
]


def test_the_order_of_the_query_does_not_matter() -> None:
    one = fingerprints.fingerprint(RETRY, **REQUEST)
    assert one == fingerprints.fingerprint(RETRY, **{**REQUEST, "query": "b=2&a=1"})
    assert len(one.id) == len(one.content) == 32


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_everything_else_does(other: dict[str, Any]) -> None:
    one = fingerprints.fingerprint(RETRY, **REQUEST)
    assert one.id != fingerprints.fingerprint(RETRY, **REQUEST | other).id


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_a_key_is_one_spenders_at_one_endpoint(other: dict[str, Any]) -> None:
    keyed = Mark(key="k", retry_count=0, wait_seconds=1)
    one = fingerprints.fingerprint(keyed, **REQUEST)
    two = fingerprints.fingerprint(keyed, **REQUEST | other)
    assert (one.id == two.id) == (set(other) <= {"query", "body"})
    assert (one.content == two.content) == (set(other) == {"spender_id"})


def test_a_form_is_its_parts_and_not_its_bytes() -> None:
    parts = [("model", "", b"whisper"), ("file", "a.mp3", b"\x00\xff" * 9)]
    one = parts_digest(parts)
    assert one == parts_digest(iter(parts))
    others = [
        parts[::-1],
        parts[:1],
        [("model", "", b"whispe"), ("file", "a.mp3", b"r" + b"\x00\xff" * 9)],
        [("model", "", b"whisper"), ("file", "b.mp3", b"\x00\xff" * 9)],
        [("model", "", b"whisper"), ("files", "a.mp3", b"\x00\xff" * 9)],
    ]
    assert one not in [parts_digest(other) for other in others]


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ("600", 570),
        ("20", 19),
        ("1", 0.5),
        ("0", 30),
        ("nan", 30),
        ("x", 30),
        (None, 30),
    ],
)
def test_a_repeat_waits_as_long_as_its_client_does(
    sent: str | None, seconds: float
) -> None:
    meta = {} if sent is None else {fingerprints.READ_TIMEOUT: sent}
    mark = fingerprints.read({fingerprints.RETRY_COUNT: "1", **meta})
    assert mark == Mark(key="", retry_count=1, wait_seconds=seconds)


@pytest.mark.parametrize("count", ["", "x", "-1", "1.0", "\xb2", "9999"])
def test_a_count_that_is_none_takes_no_part(count: str) -> None:
    assert fingerprints.read({fingerprints.RETRY_COUNT: count}) is None


def test_only_what_an_attempt_says_makes_it_a_repeat() -> None:
    assert fingerprints.read({}) is None
    first = fingerprints.read({fingerprints.RETRY_COUNT: "0"})
    keyed = fingerprints.read({fingerprints.KEY: "k" * 255})
    assert first is not None
    assert keyed is not None
    assert (first.may_repeat, keyed.may_repeat) == (False, True)
    with pytest.raises(GatewayError, match="1 to 255"):
        fingerprints.read({fingerprints.KEY: "k" * 256})
