"""What a process says of its clients is true even when it, or its database, is late."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.http import HttpResponse

from billing import leases
from billing.models import Lease
from proxy.idempotency.attempts import Attempt
from proxy.idempotency.fingerprints import Fingerprint, Mark
from proxy.process import heard as module
from proxy.process.heard import Heard, heard
from tests.support.waiting import PATIENCE_SECONDS


@pytest.mark.usefixtures("committed_db")
def test_who_asks_is_answered_when_all_replies_are_written() -> None:
    """A locked database may let the answer in before the replies it speaks of: the
    retry was told then that there was no reply."""
    lease_id = uuid4()
    leases.renew(lease_id, label="here", seconds=600)
    number = leases.ask(lease_id)
    seen: list[int] = []

    def is_written() -> bool:
        seen.append(answered(lease_id))
        return len(seen) > 2

    run_until(lease_id, is_written, lambda: answered(lease_id) == number)
    assert seen == [0, 0, 0]


def run_until(
    lease_id: UUID, first: Callable[[], bool], is_over: Callable[[], bool]
) -> None:
    async def run() -> None:
        process = Heard()
        process.first.append(first)
        process.start(lease_id)
        process.expect_questions()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await asyncio.to_thread(is_over):
                await asyncio.sleep(0.01)
        await process.stop(lease_id)

    asyncio.run(run())
    leases.give_up(lease_id)


def answered(lease_id: UUID) -> int:
    return Lease.objects.get(id=lease_id).answered


def test_a_process_knows_how_late_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def told(_lease_id: object) -> None:
        """There is nothing to tell."""

    process = Heard()
    monkeypatch.setattr(process, "_tell", told)

    async def run() -> None:
        process.start(uuid4())
        process.expect_questions()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while process.late_seconds < 0.5:
                await asyncio.sleep(module.LOOK_SECONDS / 2)
                time.sleep(1)  # noqa: ASYNC251  as a machine that is busy
        assert process.late_seconds <= module.LATE_SECONDS_MAX

    asyncio.run(run())


@pytest.mark.parametrize(
    ("late", "passed", "is_told"),
    [
        pytest.param(0.0, 5.0, True, id="in time"),
        pytest.param(0.0, 9.2, False, id="too near to its client's timeout"),
        pytest.param(2.0, 5.0, True, id="in time, on a busy machine"),
        pytest.param(2.0, 7.5, False, id="too near for a busy machine"),
        pytest.param(9.0, 4.5, True, id="half its patience is always enough"),
    ],
)
def test_an_answer_goes_out_only_when_it_comes_in_time(
    monkeypatch: pytest.MonkeyPatch, late: float, passed: float, is_told: bool
) -> None:
    monkeypatch.setattr(heard, "late_seconds", late)
    told = run(HttpResponse(b'{"id": "told"}'), passed)
    assert told.get("id") == "told" if is_told else "error" in told


@pytest.mark.parametrize(
    ("should_retry", "is_told"),
    [
        pytest.param("false", False, id="the last word: it asks no more"),
        pytest.param("true", True, id="it asks again whatever it hears"),
    ],
)
def test_a_refusal_that_comes_too_late_is_heard_next_time(
    should_retry: str, is_told: bool
) -> None:
    """It went out, and the attempt was left to others: one of them was told that its
    request, which nobody had made, was completed."""
    headers = {"x-should-retry": should_retry}
    refusal = HttpResponse(b'{"id": "told"}', status=409, headers=headers)
    told = run(refusal, 9.2)
    assert told.get("id") == "told" if is_told else "error" in told


def run(response: HttpResponse, passed: float) -> dict[str, object]:
    """What its client gets `passed` seconds after it asked, with a patience of ten."""

    async def ended() -> dict[str, object]:
        mark = Mark(key="", retry_count=0, timeout_seconds=10.0)
        attempt = Attempt(mark, Fingerprint("1" * 32, "2" * 32), arrived=0.0)
        attempt.began = time.monotonic() - passed
        sent = attempt.answered(response)
        assert isinstance(sent, HttpResponse)
        return dict(json.loads(sent.content))

    return asyncio.run(ended())
