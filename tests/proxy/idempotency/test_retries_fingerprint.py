"""What makes two requests the same one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proxy.http.errors import GatewayError
from proxy.idempotency import fingerprints
from proxy.idempotency.fingerprints import Asked, Fingerprint, Mark, parts_digest

RETRY = Mark(key="", retry_count=1, timeout_seconds=None)
KEYED = Mark(key="k", retry_count=0, timeout_seconds=None)
ASKED = Asked(
    method="POST",
    path="/v1/chat/completions",
    query="a=1&b=2",
    accept="application/json, text/*",
    body=b"0" * 32,
)
WHOSE: dict[str, Any] = {"account_id": 1, "spender_id": 1, "digest_key": b"k" * 32}
# Everything that decides the answer.
OTHERS: list[dict[str, Any]] = [
    {"method": "PUT"},
    {"path": "/v1/embeddings"},
    {"query": "a=1&b=3"},
    {"query": "a=1&b=2&c="},
    {"accept": "audio/mpeg"},
    {"body": b"1" * 32},
]


def of(mark: Mark, asked: Asked = ASKED, **whose: Any) -> Fingerprint:
    return fingerprints.fingerprint(mark, asked, **WHOSE | whose)


@pytest.mark.parametrize("mark", [RETRY, KEYED], ids=["retry", "key"])
@pytest.mark.parametrize(
    "same",
    [{"query": "b=2&a=1"}, {"accept": "Application/JSON,text/*"}],
    ids=["order of the query", "spaces and case of Accept"],
)
def test_what_means_the_same_is_the_same(mark: Mark, same: dict[str, Any]) -> None:
    assert of(mark) == of(mark, replace(ASKED, **same))
    assert len(of(mark).id) == len(of(mark).content) == 32


def test_of_a_field_that_comes_twice_the_last_counts() -> None:
    one = of(RETRY, replace(ASKED, query="async=true&async=false"))
    assert one != of(RETRY, replace(ASKED, query="async=false&async=true"))


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_everything_else_does_not(other: dict[str, Any]) -> None:
    assert of(RETRY).id != of(RETRY, replace(ASKED, **other)).id


def test_without_a_key_it_is_one_spenders() -> None:
    assert of(RETRY).id != of(RETRY, spender_id=2).id


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_a_key_is_of_one_endpoint_and_another_content_is_noticed(
    other: dict[str, Any],
) -> None:
    one, two = of(KEYED), of(KEYED, replace(ASKED, **other))
    assert (one.id == two.id) == (not set(other) & {"method", "path"})
    assert one.content != two.content


def test_a_key_is_one_organizations_whichever_api_key_it_comes_with() -> None:
    assert of(KEYED) == of(KEYED, spender_id=2)
    assert of(KEYED).id != of(KEYED, account_id=2).id


def test_a_key_is_found_without_any_secret() -> None:
    assert of(KEYED).id == of(KEYED, digest_key=b"another").id
    assert of(KEYED).content != of(KEYED, digest_key=b"another").content
    assert of(RETRY).id != of(RETRY, digest_key=b"another").id


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
        ("-1", 30),
        ("nan", 30),
        ("inf", 30),
        ("x", 30),
        (None, 30),
    ],
)
def test_a_repeat_waits_as_long_as_its_client_does(
    sent: str | None, seconds: float
) -> None:
    for name in fingerprints.TIMEOUTS:
        meta = {} if sent is None else {name: sent}
        mark = fingerprints.read({fingerprints.RETRY_COUNT: "1", **meta})
        assert mark is not None
        assert (mark.key, mark.retry_count, mark.wait_seconds) == ("", 1, seconds)


@pytest.mark.parametrize("count", ["", "x", "-1", "1.0", "\xb2", "9999"])
def test_a_count_that_is_none_takes_no_part(count: str) -> None:
    assert fingerprints.read({fingerprints.RETRY_COUNT: count}) is None


def test_only_what_an_attempt_says_makes_it_one_that_may_come_again() -> None:
    assert fingerprints.read({}) is None
    first = fingerprints.read({fingerprints.RETRY_COUNT: "0"})
    keyed = fingerprints.read({fingerprints.KEY: "k" * 255})
    assert first is not None
    assert keyed is not None
    assert (first.key, keyed.key) == ("", "k" * 255)
    with pytest.raises(GatewayError, match="1 to 255"):
        fingerprints.read({fingerprints.KEY: "k" * 256})
