"""A job that has ended is an event, in the transaction that says so, once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.conf import settings
from django.db import transaction

from billing.models import Event
from billing.values import clock, ids
from portal.models import Organization
from proxy.jobs import events, rows
from proxy.models import Job, JobState


def make_job(organization: Organization, operation: str) -> Job:
    return Job.objects.create(
        id=UUID(ids.new_id()),
        account_id=organization.account_id,
        spender_id=1,
        operation=operation,
        model="film-1",
        mode="job",
        upstream_id="up:1",
        state=JobState.PROCESSING,
        bound_micros=100,
        terms={},
        created_at=clock.now(),
        next_poll_at=clock.now(),
    )


def events_of(job: Job) -> list[Event]:
    return list(Event.objects.filter(account_id=job.account_id, key=job.id.hex))


@pytest.mark.parametrize(
    ("operation", "state", "type", "public_id"),
    [
        ("videos.generations", JobState.COMPLETED, "video.completed", "video_"),
        ("videos.generations", JobState.FAILED, "video.failed", "video_"),
        ("videos.generations", JobState.LOST, "video.failed", "video_"),
        ("music.generations", JobState.COMPLETED, "job.completed", "job_"),
        ("music.generations", JobState.FAILED, "job.failed", "job_"),
        ("music.generations", JobState.LOST, "job.lost", "job_"),
    ],
)
def test_the_end_of_a_job_is_told_once(
    organization: Organization,
    operation: str,
    state: JobState,
    type: str,
    public_id: str,
) -> None:
    job = make_job(organization, operation)
    assert rows.finish(job, state, charged_micros=7, basis="upstream", reply="{}")
    assert not rows.finish(job, JobState.FAILED)

    [event] = events_of(job)
    assert event.type == type
    assert event.data["id"] == f"{public_id}{job.id.hex}"
    assert event.data["charged_micros"] == 7
    assert "reply" not in event.data


def test_a_job_that_runs_too_long_is_named_once(organization: Organization) -> None:
    job = make_job(organization, "music.generations")
    events.emit_stuck()
    assert events_of(job) == []
    longest = timedelta(seconds=settings.JOB_SECONDS_MAX)
    Job.objects.filter(id=job.id).update(created_at=clock.now() - longest / 3)
    for _ in range(2):
        assert events.emit_stuck() >= 1
    assert [event.type for event in events_of(job)] == ["job.stuck"]


def test_an_end_that_is_rolled_back_is_not_told(organization: Organization) -> None:
    job = make_job(organization, "videos.generations")
    with transaction.atomic():
        rows.finish(job, JobState.COMPLETED)
        transaction.set_rollback(True)
    assert events_of(job) == []
