"""What the upstream made: from its own host, the internet, or a data URI."""

from __future__ import annotations

import asyncio

import pytest
from pytest_django import Settings

from portal.outbound import FetchError
from proxy.upstream import media
from tests.support.upstream import Ending, Upstream, file_reply

BYTES_MAX = 100_000
CONTENT = bytes(range(256)) * 300


@pytest.fixture(autouse=True)
def own_host(settings: Settings, upstream: Upstream) -> None:
    settings.UPSTREAM_BASE_URL = upstream.url


def fetch(url: str) -> media.Media:
    return asyncio.run(media.fetch(url, bytes_max=BYTES_MAX))


def reason(url: str) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(url)
    return caught.value.reason


def test_the_upstreams_own_host_may_be_in_our_network(upstream: Upstream) -> None:
    upstream.on(path="/a.png", reply=file_reply(CONTENT, "image/png"))

    assert fetch(f"{upstream.url}/a.png") == media.Media(CONTENT, "image/png")
    # Another port of the same host is not the upstream.
    assert reason("http://127.0.0.1:8080/a.png") == "address_not_public"


def test_the_upstreams_storage_has_so_many_seconds(
    upstream: Upstream, settings: Settings
) -> None:
    settings.MEDIA_SECONDS_MAX = 0.3
    upstream.on(path="/a", reply=file_reply(CONTENT, "a/b").dropped(Ending.STALL))

    assert reason(f"{upstream.url}/a") == "timeout"


@pytest.mark.parametrize(
    ("uri", "content", "content_type"),
    [
        ("data:image/png;base64,aGk=", b"hi", "image/png"),
        ("DATA:Image/PNG;charset=x;BASE64,aGk%3D", b"hi", "image/png"),
        ("data:,a%20b", b"a b", ""),
    ],
)
def test_a_data_uri_is_its_own_file(
    uri: str, content: bytes, content_type: str
) -> None:
    assert fetch(uri) == media.Media(content, content_type)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("data:image/png;base64", "bad_url"),
        ("data:image/png;base64,a", "bad_url"),
        ("data:image/png;base64,a_-=", "bad_url"),
        ("data:image/png;base64," + "AAAA" * BYTES_MAX, "too_large"),
        ("data:," + "%20" * (BYTES_MAX + 1), "too_large"),
    ],
)
def test_a_data_uri_may_be_wrong_too(uri: str, expected: str) -> None:
    assert reason(uri) == expected
