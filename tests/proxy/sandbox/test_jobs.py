"""Jobs: submission, progress, the end, and one charge whoever asks."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from proxy.sandbox import catalogue, errors, failures
from proxy.sandbox.jobs import Job, Jobs
from proxy.sandbox.journal import Journal
from proxy.sandbox.work import Work
from proxy.upstream import schemas
from tests.support.sandbox.server import Sandbox, serve, wait_until

VIDEO = "/videos/generations"
SYNCHRONOUS = {
    "/images/generations?async=true": "ImageGenerationResponse",
    "/videos/generations": "VideoGenerationResponse",
    "/music/generations": "MusicGenerationResponse",
}


@pytest.mark.parametrize("path", SYNCHRONOUS)
def test_a_job_ends_with_what_the_call_would_have_answered(
    sandbox: Sandbox, path: str
) -> None:
    reply = sandbox.post(path, prompt="Waves")
    job = reply.json()
    schemas.validator("AsyncJobResponse").validate(job)
    assert job["status"] == "pending"
    assert reply.headers["x-request-id"] == job["id"]
    end = sandbox.ended(job["id"])
    schemas.validator("JobStatusResponse").validate(end)
    assert (end["status"], end["progress"]) == ("completed", 100)
    assert end["completed"] >= end["created"] == job["created"]
    output = end["outputData"]
    schemas.validator(SYNCHRONOUS[path]).validate(output)
    at_once = sandbox.post(path.split("?")[0] + "?async=false", prompt="Waves").json()
    assert output["data"] == at_once["data"]
    assert end["usage"] == at_once["usage"]
    assert set(at_once) - set(output) == {"usage"}
    credits = end["usage"]["credits_used"]
    assert credits == job["estimated_credits"]
    [entry] = sandbox.entries(job["id"])
    assert entry["credits"] == credits


def test_progress_rises_to_the_end(tmp_path: Path) -> None:
    async def run() -> list[dict[str, Any]]:
        job = Job("job-1", music(), seconds=100)
        seen = []
        for elapsed in range(0, 210, 10):
            job.started = time.monotonic() - elapsed
            seen.append(job.status())
        job.seconds = 0
        with closing(Journal(tmp_path / "journal.jsonl")) as journal:
            await job.run(journal)
        return [*seen, job.status()]

    *before, end = asyncio.run(run())
    for status in (*before, end):
        schemas.validator("JobStatusResponse").validate(status)
    assert all(not {"usage", "outputData", "completed"} & set(look) for look in before)
    assert end["status"] == "completed"
    progress = [status["progress"] for status in (*before, end)]
    assert progress == sorted(progress)
    assert progress[:3] == [0, 0, 20]
    assert progress[-2:] == [99, 100]


@pytest.mark.parametrize(
    ("elapsed", "status", "progress"),
    [
        (0, "pending", 0),
        (14, "pending", 0),
        (40, "processing", 40),
        (500, "processing", 99),
    ],
)
def test_the_time_decides_about_the_status(
    elapsed: int, status: str, progress: int
) -> None:
    job = Job("job-1", music(), seconds=100)
    job.started -= elapsed
    known = job.status()
    assert (known["status"], known["progress"]) == (status, progress)


def test_who_waits_is_told_at_the_end_and_not_later(sandbox: Sandbox) -> None:
    begin = time.monotonic()
    end = sandbox.ended(sandbox.submit(VIDEO, prompt="Waves")["id"])
    elapsed = time.monotonic() - begin
    assert end["status"] == "completed"
    assert 0.2 <= elapsed < 5


def test_a_job_that_nobody_asks_for_is_charged_once(sandbox: Sandbox) -> None:
    job = sandbox.submit(VIDEO, prompt="Waves")
    wait_until(lambda: bool(sandbox.entries(job["id"])))
    for _ in range(3):
        assert sandbox.ended(job["id"])["status"] == "completed"
    [entry] = sandbox.entries(job["id"])
    assert entry["operation"] == "videos.generations"


def test_completed_is_never_seen_before_the_charge(sandbox: Sandbox) -> None:
    submitted = [sandbox.submit("/music/generations", prompt="Waves") for _ in range(5)]
    for job in submitted:
        assert sandbox.ended(job["id"])["status"] == "completed"
        assert len(sandbox.entries(job["id"])) == 1


def test_an_unfinished_job_is_lost_in_a_kill_and_not_charged(tmp_path: Path) -> None:
    with serve(tmp_path, job_seconds=60) as first:
        job_id = first.submit(VIDEO, prompt="Waves")["id"]
        first.kill()
    with serve(tmp_path) as second:
        reply = second.get(f"/jobs/{job_id}")
        assert reply.status_code == 404
        assert reply.json()["error"]["code"] == "job_not_found"
        assert second.journal()["count"] == 0


def test_a_job_can_be_asked_for_by_its_id_only(sandbox: Sandbox) -> None:
    assert sandbox.get("/jobs/job-0").status_code == 404
    job_id = sandbox.submit(VIDEO, prompt="Waves")["id"]
    assert sandbox.get(f"/jobs/{job_id}?poll=yes").status_code == 400
    assert sandbox.get(f"/jobs/{job_id}/").status_code == 404
    assert sandbox.post(f"/jobs/{job_id}").status_code == 405
    # Its charge must not come in the middle of a test that counts.
    assert sandbox.ended(job_id)["status"] == "completed"


def music() -> Work:
    return Work(
        operation="music.generations",
        model=catalogue.find("fal-ai/stable-audio", "text_to_music"),
        marks=failures.Marks(),
        output={},
        breakdown={"generation": 2},
    )


def test_a_job_that_cannot_be_charged_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(28, "full")

    async def run() -> dict[str, Any]:
        with closing(Journal(tmp_path / "journal.jsonl")) as journal:
            held = Jobs(journal, seconds=0)
            return await held.ask(held.submit(music()).id, is_waiting=True)

    monkeypatch.setattr(os, "fsync", refuse)
    end = asyncio.run(run())
    assert end["status"] == "failed"
    assert "usage" not in end


def test_old_jobs_are_forgotten_but_none_that_runs(tmp_path: Path) -> None:
    async def run() -> None:
        with closing(Journal(tmp_path / "journal.jsonl")) as journal:
            quick = Jobs(journal, seconds=0, kept_max=2)
            slow = Jobs(journal, seconds=60, kept_max=2)
            first = quick.submit(music()).id
            await quick.ask(first, is_waiting=True)
            others = [quick.submit(music()).id for _ in range(2)]
            with pytest.raises(errors.Refusal, match="no such job"):
                await quick.ask(first, is_waiting=False)
            for job_id in others:
                await quick.ask(job_id, is_waiting=True)
            running = [slow.submit(music()).id for _ in range(3)]
            for job_id in running:
                assert (await slow.ask(job_id, is_waiting=False))["progress"] == 0

    asyncio.run(run())
