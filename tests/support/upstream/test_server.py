"""The upstream as a server: requests as they came, many at once, a process alone."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys

import aiohttp
import httpx
import pytest

from tests.support.services import processes
from tests.support.upstream import Upstream, chat_json
from tests.support.upstream.conftest import Ask
from tests.support.waiting import PATIENCE_SECONDS

CONNECTIONS = 250


def test_requests_are_written_down_as_they_came(upstream: Upstream, ask: Ask) -> None:
    ask("m", "Hi", seed=1)

    [entry] = upstream.journal
    assert (entry.method, entry.path) == ("POST", "/api/v1/chat/completions")
    assert (entry.model, entry.body["seed"]) == ("m", 1)
    assert entry.headers["content-type"] == "application/json"


def test_a_chunked_or_broken_body_is_taken_too(
    upstream: Upstream, http: httpx.Client
) -> None:
    http.post("/chat/completions", content=iter([b'{"model":', b'"m"}']))
    http.post("/chat/completions?a=1", content=b"{not json")

    chunked, broken = upstream.journal
    assert chunked.model == "m"
    assert (broken.body, broken.raw_body) == (None, b"{not json")
    assert broken.query == {"a": ["1"]}


def test_a_request_that_never_ends_is_not_in_the_journal(upstream: Upstream) -> None:
    with socket.create_connection(("127.0.0.1", upstream.port)) as raw:
        raw.sendall(
            b"POST /api/v1/chat/completions HTTP/1.1\r\ncontent-length: 9\r\n\r\n"
        )

    assert len(upstream.journal) == 0


def test_waiting_in_vain_says_what_there_is(upstream: Upstream, ask: Ask) -> None:
    ask()
    with pytest.raises(AssertionError, match="complete"):
        upstream.journal.wait_finished(2, seconds_max=0.05)


def test_many_connections_are_served_at_once(upstream: Upstream) -> None:
    upstream.on(model="m", reply=chat_json(credits=1).delayed(0.2))

    async def ask_twice() -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def call() -> None:
                address = f"{upstream.url}/chat/completions"
                async with session.post(address, json={"model": "m"}) as reply:
                    assert reply.status == 200
                    await reply.read()

            for _ in range(2):
                await asyncio.gather(*(call() for _ in range(CONNECTIONS)))

    asyncio.run(ask_twice())
    entries = upstream.journal.wait_finished(2 * CONNECTIONS)
    assert upstream.total_credits() == len(entries) == 2 * CONNECTIONS


def test_it_runs_as_a_process_that_outlives_a_test() -> None:
    command = [sys.executable, "-m", "tests.support.upstream", "--credits", "6"]
    process = subprocess.Popen(
        processes.dying_with_parent(command), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    with httpx.Client(timeout=PATIENCE_SECONDS) as client:
        client.post(f"{url}/chat/completions", json={"model": "m"})
        journal = client.get(url.removesuffix("/api/v1") + "/journal").json()

    process.terminate()
    assert process.communicate(timeout=PATIENCE_SECONDS)[0] == ""
    assert journal["total_credits"] == 6
    assert journal["entries"][0]["model"] == "m"
