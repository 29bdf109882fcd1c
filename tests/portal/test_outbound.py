"""Where somebody else's address may lead: to the internet, or to a trusted host."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from contextlib import aclosing, suppress
from typing import Any

import pytest

from portal import outbound
from portal.outbound import FetchError, Guard, looking
from tests.support.portal.hostile import HOSTILE, canary
from tests.support.upstream import (
    Ending,
    ScriptedReply,
    Upstream,
    file_reply,
    gzipped,
    redirect,
)
from tests.support.waiting import PATIENCE_SECONDS

BYTES_MAX = 100_000
CONTENT = bytes(range(256)) * 300


def guard_of(upstream: Upstream, **options: Any) -> Guard:
    """One that trusts the upstream's host, which is on the loopback."""
    options = {"seconds_max": 30, "connect_seconds": 5, **options}
    return Guard(trusted=outbound.host_and_port(upstream.url), **options)


def guard_for(*answers: tuple[str, ...], **options: Any) -> tuple[Guard, list[str]]:
    """One for which names mean these addresses, at each look the next; and the names
    that were looked up."""
    asked: list[str] = []

    async def look_up(host: str, port: int) -> tuple[str, ...]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return Guard(30, 5, look_up=look_up, **options), asked


def fetch(guard: Guard, url: str, bytes_max: int = BYTES_MAX) -> bytes:
    async def read() -> bytes:
        download = await guard.get(url, bytes_max=bytes_max)
        async with aclosing(download.chunks()) as chunks:  # type: ignore[type-var]
            return b"".join([chunk async for chunk in chunks])

    return asyncio.run(read())


def reason(guard: Guard, url: str, bytes_max: int = BYTES_MAX) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(guard, url, bytes_max)
    return caught.value.reason


def test_a_hostile_address_leads_nowhere(upstream: Upstream) -> None:
    assert len(HOSTILE) >= 60
    guard = guard_of(upstream)
    with canary() as port:
        for url in HOSTILE:
            found = reason(guard, url.format(port=port))
            assert found in {
                "bad_url",
                "bad_scheme",
                "userinfo_in_url",
                "port_not_allowed",
                "address_not_public",
                "unknown_host",
            }, url


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [(("93.184.215.14", "127.0.0.1"), "address_not_public"), ((), "unknown_host")],
)
def test_a_name_with_one_near_address_or_none_leads_nowhere(
    addresses: tuple[str, ...], expected: str
) -> None:
    guard, _ = guard_for(addresses)

    assert reason(guard, "http://mixed.example/a.png") == expected


def test_a_name_that_changes_its_mind_is_looked_up_once(upstream: Upstream) -> None:
    upstream.on(path="/a", reply=file_reply(CONTENT, "a/b"))
    host, port = outbound.host_and_port(upstream.url)
    # Public by this test's word only: what was looked up first is where it goes.
    guard, asked = guard_for(
        (host,),
        ("203.0.113.7",),
        ports=frozenset({port}),
        is_public=lambda address: address == host,
    )

    url = upstream.url.replace(host, "rebinding.example")
    assert fetch(guard, f"{url}/a") == CONTENT
    assert asked == ["rebinding.example"]


def test_a_public_address_passes() -> None:
    for url in ("https://8.8.8.8/a", "http://[2606:4700::1111]:8080/a?b=c#d"):
        checked, _ = asyncio.run(Guard(30, 5).check(url))
        assert checked.port in (443, 8080)


def test_a_file_is_fetched_without_a_word_about_us(upstream: Upstream) -> None:
    upstream.on(path="/a.png", reply=file_reply(CONTENT, "image/png"))
    assert fetch(guard_of(upstream), f"{upstream.url}/a.png?sig=%2F") == CONTENT

    [entry] = upstream.journal
    assert entry.query == {"sig": ["/"]}
    harmless = {"host", "accept", "accept-encoding", "user-agent", "connection"}
    assert set(entry.headers) == harmless
    assert entry.headers["accept-encoding"] == "identity"


def test_what_the_file_is_is_known_before_it_is_read(upstream: Upstream) -> None:
    upstream.on(path="/a", reply=file_reply(CONTENT, "audio/mpeg"))

    async def head() -> tuple[int | None, str]:
        guard = guard_of(upstream)
        download = await guard.get(f"{upstream.url}/a", bytes_max=BYTES_MAX)
        await download.close()
        return download.length, download.content_type

    assert asyncio.run(head()) == (len(CONTENT), "audio/mpeg")


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
    upstream: Upstream, reply: ScriptedReply, expected: str
) -> None:
    upstream.on(path="/a", reply=reply)

    assert reason(guard_of(upstream, seconds_max=0.3), f"{upstream.url}/a") == expected
    assert {entry.path for entry in upstream.journal} == {"/api/v1/a"}


def test_a_refused_answer_leaves_no_connection_behind(upstream: Upstream) -> None:
    upstream.on(path="/a", reply=file_reply(b"x" * 10 * BYTES_MAX, "a/b"))

    async def refused() -> None:
        with suppress(FetchError):
            await guard_of(upstream).get(f"{upstream.url}/a", bytes_max=BYTES_MAX)
        with warnings.catch_warnings(record=True) as complaints:
            warnings.simplefilter("always")
            gc.collect()
        assert complaints == []

    asyncio.run(refused())


def test_a_file_of_just_the_limit_is_taken(upstream: Upstream) -> None:
    upstream.on(path="/a", reply=file_reply(b"x" * BYTES_MAX, "a/b", framing="chunked"))

    assert len(fetch(guard_of(upstream), f"{upstream.url}/a")) == BYTES_MAX


def test_a_name_server_that_keeps_silent_holds_nobody_up() -> None:
    """Neither what else the loop's own threads do, nor the loop's end."""
    ended = threading.Event()
    guard = Guard(0.1, 5, look_up=looking(2, lambda *_, **__: ended.wait()))

    async def ask() -> None:
        asked = [guard.get("https://a.example", bytes_max=1) for _ in range(50)]
        waiting = asyncio.gather(*asked, return_exceptions=True)
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await asyncio.to_thread(int) == 0
            assert {str(each) for each in await waiting} == {"timeout"}

    asking = threading.Thread(target=asyncio.run, args=[ask()])
    asking.start()
    asking.join(PATIENCE_SECONDS)
    try:
        assert not asking.is_alive()
    finally:
        ended.set()
        asking.join()
