"""The journal is what the sandbox charged, also after a kill."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import orjson
import pytest

from proxy.sandbox.journal import Journal
from tests.support.sandbox.server import AUTHORIZED, Sandbox, serve


def entry(number: int) -> dict[str, object]:
    return {"id": f"call-{number}", "credits": number}


def test_the_sum_of_all_replies_is_the_total(sandbox: Sandbox) -> None:
    before = sandbox.journal()
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: sandbox.chat(n=n), range(1, 25)))
    credits = [reply.json()["usage"]["credits_used"] for reply in replies]
    after = sandbox.journal(since=before["count"])
    assert after["total_credits"] - before["total_credits"] == sum(credits)
    assert after["count"] - before["count"] == len(after["entries"]) == 24
    assert sum(row["credits"] for row in after["entries"]) == sum(credits)


def test_a_page_beyond_the_end_is_empty(sandbox: Sandbox) -> None:
    assert sandbox.journal(since=10**17)["entries"] == []


@pytest.mark.parametrize("since", ["-1", "x", "", "1.5", "²", "9" * 19])
def test_a_page_needs_a_number(sandbox: Sandbox, since: str) -> None:
    url = sandbox.base_url.removesuffix("/api/v1") + "/journal"
    reply = httpx.get(url, params={"since": since}, headers=AUTHORIZED)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith("since: ")


def test_the_charges_survive_a_kill(tmp_path: Path) -> None:
    with serve(tmp_path) as first:
        call_id = first.chat().json()["id"]
        first.kill()
    with serve(tmp_path) as second:
        assert [row["id"] for row in second.journal()["entries"]] == [call_id]
        second.chat()
        assert second.journal()["count"] == 2


def test_a_torn_line_is_no_charge(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"credits": 3}\n{"cred')

    async def reopen_and_append() -> bytes:
        with closing(Journal(path)) as journal:
            await asyncio.gather(journal.append(entry(4)), journal.append(entry(5)))
            return orjson.dumps(await journal.page(1))

    page = orjson.loads(asyncio.run(reopen_and_append()))
    assert (page["total_credits"], page["count"]) == (12, 3)
    assert [row["id"] for row in page["entries"]] == ["call-4", "call-5"]
    assert path.read_bytes().startswith(b'{"credits": 3}\n{"id":"call-4"')


def test_a_second_owner_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with closing(Journal(path)), pytest.raises(BlockingIOError):
        Journal(path)


def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def append_on_a_full_disk() -> bytes:
        with closing(Journal(tmp_path / "journal.jsonl")) as journal:
            await journal.append(entry(1))
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", refuse)
                with pytest.raises(OSError, match="full"):
                    await journal.append(entry(2))
            await journal.append(entry(3))
            return orjson.dumps(await journal.page(0))

    def refuse(handle: int) -> None:
        raise OSError(28, "full")

    page = orjson.loads(asyncio.run(append_on_a_full_disk()))
    assert [row["credits"] for row in page["entries"]] == [1, 3]
