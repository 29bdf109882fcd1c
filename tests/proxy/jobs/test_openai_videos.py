"""`client.videos.retrieve` and `download_content`: one job in OpenAI's words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import openai
import pytest
from openai.types import Video

from billing.values import clock
from proxy.models import Job
from tests.support.gateway.customers import Customer
from tests.support.gateway.refused import assert_refusal
from tests.support.gateway.video_jobs import VIDEO, VideoJob, make_due, worker_looks
from tests.support.services.gateway import Gateway
from tests.support.upstream import (
    Ending,
    ScriptedReply,
    Upstream,
    file_reply,
    job_status,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
    pytest.mark.usefixtures("clean_ledger", "worker_upstream"),
]

CONTENT = b"\0\0\0\x18ftypisom" + bytes(range(256)) * 40
STORED = "/files/video.mp4"
HUGE = ScriptedReply(headers={"content-length": str(2**40)}, framing="close")


def ordered(gateway: Gateway, customer: Customer, video_job: VideoJob) -> Video:
    return customer.openai(gateway).videos.create(
        prompt="a cat", model=video_job.model, seconds="8", size="1280x720"
    )


def row(video_id: str) -> Job:
    return Job.objects.get(id=video_id.removeprefix("video_"))


def job_path(video_id: str) -> str:
    return f"/jobs/job_{video_id.removeprefix('video_')}"


def will_be_at(video_job: VideoJob, upstream: Upstream, reply: ScriptedReply) -> str:
    """The next look finds the video ready, and its file answers so; its address."""
    upstream.on(path=STORED, reply=reply)
    url = upstream.url.replace("/api/v1", STORED)
    video_job.will(
        job_status(outputData={"data": {"url": url}}, usage={"credits_used": 5})
    )
    return url


def test_a_video_from_its_order_to_its_charge(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job, videos = (
        VideoJob(upstream, credits=9),
        customer.openai(live_gateway).videos,
    )
    video = ordered(live_gateway, customer, video_job)
    job = row(video.id)
    expected = {
        "id": f"video_{job.id.hex}",
        "object": "video",
        "status": "queued",
        "progress": 0,
        "created_at": int(job.created_at.timestamp()),
        "completed_at": None,
        "expires_at": None,
        "model": video_job.model,
        "prompt": None,
        "seconds": "8",
        "size": "1280x720",
        "error": None,
        "remixed_from_video_id": None,
    }
    assert video.to_dict() == expected
    seen = videos.retrieve(video.id)
    assert seen.to_dict() == {**expected, "status": "in_progress", "progress": 40}
    video_job.will_be_done(9)
    make_due(job, polled_at=None)
    done = videos.with_raw_response.retrieve(video.id)

    job.refresh_from_db()
    assert job.finished_at is not None
    assert done.parse().to_dict() == {
        **expected,
        "status": "completed",
        "progress": 100,
        "completed_at": int(job.finished_at.timestamp()),
        "expires_at": int(job.finished_at.timestamp()) + 7 * 24 * 3600,
        "usage": {"credits_used": 9},
    }
    assert done.headers["x-credits-charged"] == "9"
    assert done.headers["x-job-id"] == job.public_id
    assert customer.charged_credits() == upstream.total_credits() == 9
    native = customer.http(live_gateway).get(job_path(video.id)).json()
    assert (native["status"], native["outputData"]) == ("completed", VIDEO)


def test_a_video_that_failed_says_why_and_has_no_content(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job, videos = VideoJob(upstream), customer.openai(live_gateway).videos
    video = ordered(live_gateway, customer, video_job)
    video_job.will(job_status("failed", errorMessage="No cats.", progress=60))
    failed = videos.retrieve(video.id)

    assert (failed.status, failed.progress) == ("failed", 60)
    assert failed.error is not None
    assert (failed.error.code, failed.error.message) == (
        "upstream_job_failed",
        "No cats.",
    )
    with pytest.raises(openai.NotFoundError, match="There is no video. No cats.") as no:
        videos.download_content(video.id)
    assert no.value.code == "upstream_job_failed"
    assert customer.charged_credits() == 0


@pytest.mark.once
def test_a_video_past_its_time_has_no_content_any_more(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job, videos = VideoJob(upstream), customer.openai(live_gateway).videos
    video = ordered(live_gateway, customer, video_job)
    video_job.will_be_done(9)
    assert videos.retrieve(video.id).status == "completed"
    Job.objects.filter(id=row(video.id).id).update(reply="")  # as the purge does

    assert videos.retrieve(video.id).to_dict()["usage"] == {"credits_used": 9}
    with pytest.raises(openai.NotFoundError, match="no longer kept") as no:
        videos.download_content(video.id)
    assert no.value.code == "video_expired"


@pytest.mark.once
def test_a_video_that_is_lost_says_so(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job, videos = VideoJob(upstream), customer.openai(live_gateway).videos
    video = ordered(live_gateway, customer, video_job)
    job = row(video.id)
    make_due(job, created_at=clock.now() - timedelta(days=2))
    assert worker_looks(job).state == "lost"
    lost = videos.retrieve(video.id)

    assert lost.error is not None
    assert (lost.status, lost.error.code) == ("failed", "upstream_job_lost")
    with pytest.raises(openai.NotFoundError) as no:
        videos.download_content(video.id)
    assert no.value.code == "upstream_job_lost"


@pytest.mark.once
def test_a_job_that_is_just_being_sent_is_queued(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video = ordered(live_gateway, customer, VideoJob(upstream))
    job = row(video.id)
    make_due(job, state="submitting")

    reply = customer.openai(live_gateway).videos.retrieve(video.id)
    assert (reply.status, job.polls) == ("queued", 0)


@pytest.mark.once
def test_a_job_of_the_other_route_is_a_video_too(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    job = VideoJob(upstream).ordered(customer, live_gateway)
    videos = customer.openai(live_gateway).videos

    video = videos.retrieve(f"video_{job.id.hex}")
    assert (video.status, video.seconds, video.size) == ("in_progress", "5", "1280x720")
    # Of before the gateway remembered sizes.
    old = {name: job.terms[name] for name in ("rates", "least")}
    make_due(job, terms=old)
    assert videos.retrieve(f"video_{job.id.hex}").to_dict()["size"] is None


def test_the_content_is_the_video_itself(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job, videos = VideoJob(upstream), customer.openai(live_gateway).videos
    video = ordered(live_gateway, customer, video_job)
    will_be_at(video_job, upstream, file_reply(CONTENT, "application/octet-stream"))
    content = videos.download_content(video.id)

    assert content.content == CONTENT
    headers = content.response.headers
    assert headers["content-type"] == "video/mp4"
    assert headers["content-length"] == str(len(CONTENT))
    assert headers["x-credits-charged"] == "5"
    fetched = upstream.journal.last
    assert (fetched.path, fetched.headers.get("authorization")) == (STORED, None)
    streamed = videos.with_streaming_response.download_content(
        video.id, variant="video"
    )
    with streamed as reply:
        assert b"".join(reply.iter_bytes(1000)) == CONTENT
    assert customer.charged_credits() == 5


@pytest.mark.once
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Video/WebM; codecs=vp9", "video/webm"),
        ("text/html", "video/mp4"),
        ("video/ x", "video/mp4"),
        (None, "video/mp4"),
    ],
)
def test_a_video_is_of_its_servers_type_and_never_a_page(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    said: str | None,
    told: str,
) -> None:
    video_job = VideoJob(upstream)
    video = ordered(live_gateway, customer, video_job)
    reply = file_reply(CONTENT, "").but(content_type=said)
    will_be_at(video_job, upstream, reply)

    http = customer.http(live_gateway)
    content = http.get(f"/videos/{video.id}/content", headers={"accept": "text/html"})
    assert (content.headers["content-type"], content.content) == (told, CONTENT)


@pytest.mark.once
def test_before_its_end_there_is_no_content(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video = ordered(live_gateway, customer, VideoJob(upstream))
    videos = customer.openai(live_gateway, max_retries=2).videos
    with pytest.raises(openai.ConflictError, match="in_progress, 40 %") as early:
        videos.download_content(video.id)

    assert early.value.code == "video_not_ready"
    assert isinstance(early.value.body, dict)
    assert early.value.body["metadata"] == {"status": "in_progress", "progress": 40}
    assert f"/v1/videos/{video.id} " in early.value.message
    assert early.value.request.headers["x-stainless-retry-count"] == "0"


@pytest.mark.once
@pytest.mark.parametrize("variant", ["thumbnail", "spritesheet", "", "made up"])
def test_there_is_no_other_variant(
    live_gateway: Gateway, upstream: Upstream, customer: Customer, variant: Any
) -> None:
    video = ordered(live_gateway, customer, VideoJob(upstream))
    videos = customer.openai(live_gateway).videos
    with pytest.raises(openai.BadRequestError, match="no thumbnails") as refused:
        videos.download_content(video.id, variant=variant)
    assert refused.value.param == "variant"


@pytest.mark.once
@pytest.mark.parametrize(
    ("output", "reply", "reason"),
    [
        (None, ScriptedReply(status=410), "status_410"),
        (None, ScriptedReply(before=(Ending.CUT,)), "unreachable"),
        (None, HUGE, "too_large"),
        ({"data": {"url": "http://10.0.0.1/video.mp4"}}, None, "address_not_public"),
        ({"data": {"url": 7}}, None, "no_url"),
        ({"data": []}, None, "no_url"),
        ("video.mp4", None, "no_url"),
        (None, None, "no_url"),
    ],
)
def test_a_video_that_cannot_be_had_is_told_with_its_address(
    live_gateway: Gateway,
    upstream: Upstream,
    customer: Customer,
    output: Any,
    reply: ScriptedReply | None,
    reason: str,
) -> None:
    video_job = VideoJob(upstream)
    video = ordered(live_gateway, customer, video_job)
    video_job.will(job_status(outputData=output, usage={"credits_used": 5}))
    if reply is not None:
        will_be_at(video_job, upstream, reply)
    found = customer.http(live_gateway).get(f"/videos/{video.id}/content")

    assert_refusal(found, 502, "media_unavailable")
    metadata = found.json()["error"]["metadata"]
    assert metadata["reason"] == reason
    assert len(metadata["urls"]) == (reason != "no_url")
    assert customer.charged_credits() == 5
