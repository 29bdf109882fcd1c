"""What an answer's address may lead to: the internet, or the upstream's own host."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Any, TypeVar

import pytest
from pytest_django import Settings

from proxy.upstream import media
from tests.support.upstream import (
    Ending,
    ScriptedReply,
    Upstream,
    file_reply,
    gzipped,
    redirect,
)

T = TypeVar("T")
BYTES_MAX = 100_000
CONTENT = bytes(range(256)) * 300

# {port} is a listener's on the loopback, to which not one connection may come.
HOSTILE = [
    *(f"http://{host}:{{port}}/" for host in ("127.0.0.1", "localhost", "[::1]")),
    *(f"http://{host}/" for host in ("127.0.0.1", "localhost", "127.1", "127.0.1")),
    *(f"http://{host}/" for host in ("0x7f.1", "0x7f000001", "2130706433", "0")),
    *(f"http://{host}/" for host in ("0177.0.0.1", "017700000001", "127.0.0.1.")),
    *(f"http://{host}/" for host in ("0.0.0.0", "127.255.255.254")),  # noqa: S104
    *(f"http://{host}/" for host in ("10.0.0.1", "172.16.0.1", "172.31.255.255")),
    *(f"http://{host}/" for host in ("192.168.1.1", "169.254.169.254", "100.64.0.1")),
    *(f"http://{host}/" for host in ("100.127.255.255", "192.0.0.1", "192.0.2.1")),
    *(f"http://{host}/" for host in ("198.18.0.1", "198.51.100.1", "203.0.113.1")),
    *(f"http://{host}/" for host in ("224.0.0.1", "239.1.1.1", "240.0.0.1")),
    *(f"http://{host}/" for host in ("255.255.255.255", "[::]", "[::1]", "[fe80::1]")),
    *(f"http://{host}/" for host in ("[fc00::1]", "[fd12::1]", "[ff02::1]")),
    *(f"http://{host}/" for host in ("[::ffff:127.0.0.1]", "[::ffff:8.8.8.8]")),
    *(f"http://{host}/" for host in ("[::127.0.0.1]", "[64:ff9b::7f00:1]")),
    *(f"http://{host}/" for host in ("[64:ff9b:1::1]", "[2002:7f00:1::]")),
    *(f"http://{host}/" for host in ("[2001::1]", "[2001:db8::1]", "[fe80::1%25lo]")),
    *(f"https://{host}/" for host in ("user@8.8.8.8", "8.8.8.8@127.0.0.1", "a:b@c")),
    *(f"http://8.8.8.8:{port}/" for port in (22, 25, 6379, 5432, 0, 65536, "x")),
    *("http://8.8.8.8\\@127.0.0.1/", "http://127.0.0.1\t/", "http://127.0.0.1 /"),
    *("http://①②⑦.0.0.1/", "http://127。0。0。1/", "http:///a", "http://", "//a/b", ""),
    *("ftp://8.8.8.8/", "file:///etc/passwd", "gopher://8.8.8.8/", "unix:///a"),
    *("javascript:alert(1)", "http://8.8.8.8/\r\nX-A: b", "http://[::1", "http://.../"),
    "http://8.8.8.8/" + "a" * 9_000,
]


@pytest.fixture(autouse=True)
def own_host(settings: Settings, upstream: Upstream) -> None:
    settings.UPSTREAM_BASE_URL = upstream.url


def run(call: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        return await call()

    return asyncio.run(main())


def fetch(url: str, bytes_max: int = BYTES_MAX) -> media.Media:
    return run(lambda: media.fetch(url, bytes_max=bytes_max))


def reason(url: str, bytes_max: int = BYTES_MAX) -> str:
    with pytest.raises(media.MediaError) as caught:
        fetch(url, bytes_max)
    return caught.value.reason


@contextmanager
def canary() -> Iterator[int]:
    """The port of a listener that nobody may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Names mean these addresses, at each look the next; the names looked up."""
    asked: list[str] = []

    async def getaddrinfo(_loop: Any, host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        addresses = answers[min(len(asked), len(answers)) - 1]
        family = socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", getaddrinfo)
    return asked


def test_a_hostile_address_leads_nowhere() -> None:
    assert len(HOSTILE) >= 60
    with canary() as port:
        for url in HOSTILE:
            found = reason(url.format(port=port))
            assert found in {
                "bad_url",
                "bad_scheme",
                "userinfo_in_url",
                "port_not_allowed",
                "address_not_public",
                "unknown_host",
            }, url


def test_a_name_with_one_near_address_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolving(monkeypatch, ["93.184.215.14", "127.0.0.1"])

    assert reason("http://mixed.example/a.png") == "address_not_public"


def test_a_name_that_changes_its_mind_is_looked_up_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = resolving(monkeypatch, ["93.184.215.14"], ["127.0.0.1"])
    connected: list[Any] = []

    async def refuse(*_: Any, addr_infos: Any, **__: Any) -> Any:
        connected.extend(info[4][0] for info in addr_infos)
        raise OSError("no route")

    monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", refuse)
    assert reason("http://rebinding.example/a.png") == "unreachable"
    assert asked == ["rebinding.example"]
    assert connected == ["93.184.215.14"]


def test_a_public_address_passes() -> None:
    for url in ("https://8.8.8.8/a", "http://[2606:4700::1111]:8080/a?b=c#d"):
        assert run(lambda url=url: media.check(url)).port in (443, 8080)  # type: ignore[misc]


def test_a_file_of_the_upstreams_is_fetched_without_a_word_about_us(
    upstream: Upstream,
) -> None:
    upstream.on(path="/a.png", reply=file_reply(CONTENT, "image/png"))
    assert fetch(f"{upstream.url}/a.png?sig=%2F") == media.Media(CONTENT, "image/png")

    [entry] = upstream.journal
    assert entry.query == {"sig": ["/"]}
    harmless = {"host", "accept", "accept-encoding", "user-agent", "connection"}
    assert set(entry.headers) == harmless
    assert entry.headers["accept-encoding"] == "identity"


def test_a_large_file_comes_in_pieces(upstream: Upstream) -> None:
    upstream.on(path="/a", reply=file_reply(CONTENT, "audio/mpeg"))

    async def pieces() -> list[bytes]:
        download = await media.open_url(f"{upstream.url}/a", bytes_max=BYTES_MAX)
        assert (download.length, download.content_type) == (len(CONTENT), "audio/mpeg")
        async with aclosing(download.chunks()) as chunks:  # type: ignore[type-var]
            return [chunk async for chunk in chunks]

    assert b"".join(run(pieces)) == CONTENT


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (redirect("http://127.0.0.1/canary"), "status_302"),
        (file_reply(b"", "text/html", status=404), "status_404"),
        (gzipped(file_reply(CONTENT, "image/png")), "compressed"),
        (file_reply(b"x" * (BYTES_MAX + 1), "a/b"), "too_large"),
        (file_reply(b"x" * (BYTES_MAX + 1), "a/b", framing="chunked"), "too_large"),
        (file_reply(CONTENT, "a/b").cut_after_bytes(1000), "cut"),
        (file_reply(CONTENT, "a/b").dropped(), "unreachable"),
        (file_reply(CONTENT, "a/b").dropped(Ending.STALL), "timeout"),
        (file_reply(CONTENT, "a/b").after_bytes(1000, Ending.STALL), "timeout"),
    ],
)
def test_what_is_no_whole_file_is_none(
    upstream: Upstream, settings: Settings, reply: ScriptedReply, expected: str
) -> None:
    if expected == "timeout":
        settings.MEDIA_SECONDS_MAX = 0.3
    upstream.on(path="/a", reply=reply)

    assert reason(f"{upstream.url}/a") == expected
    assert {entry.path for entry in upstream.journal} == {"/api/v1/a"}


def test_a_refused_answer_leaves_no_connection_behind(upstream: Upstream) -> None:
    upstream.on(path="/a", reply=file_reply(b"x" * 10 * BYTES_MAX, "a/b"))

    async def refused() -> None:
        with suppress(media.MediaError):
            await media.open_url(f"{upstream.url}/a", bytes_max=BYTES_MAX)
        with warnings.catch_warnings(record=True) as complaints:
            warnings.simplefilter("always")
            gc.collect()
        assert complaints == []

    run(refused)


def test_a_file_of_just_the_limit_is_taken(upstream: Upstream) -> None:
    upstream.on(path="/a", reply=file_reply(b"x" * BYTES_MAX, "a/b", framing="chunked"))

    assert len(fetch(f"{upstream.url}/a").content) == BYTES_MAX


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
