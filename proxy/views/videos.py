"""`GET /v1/videos/{id}` and `…/content`: free, and only for the video's own account."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from proxy.http import refusals, reply, shares, upstream_refusals
from proxy.jobs import rendering, video_objects, waiting
from proxy.models import Job, JobState
from proxy.operations import videos
from proxy.upstream.deliveries import deliver
from proxy.views.base import AsyncAPIView
from proxy.views.jobs import find, headers


class VideoView(AsyncAPIView):
    """What became of one video."""

    async def get(self, request: Request, video_id: str) -> HttpResponseBase:
        job = await look(video_id, self.identity.account_id)
        return reply.json(video_objects.render(job), headers(job))


class VideoContentView(AsyncAPIView):
    """The video itself, from the upstream's storage."""

    async def get(self, request: Request, video_id: str) -> HttpResponseBase:
        variant = request._request.GET.get("variant", "video")
        if variant != "video":
            raise refusals.invalid(
                "variant must be video: the upstream makes no thumbnails and no "
                "spritesheets.",
                param="variant",
            )
        job = await look(video_id, self.identity.account_id)
        if not job.is_over:
            raise refusals.video_not_ready(
                video_objects.public_id(job),
                status=video_objects.status(job),
                progress=job.progress,
            )
        if job.state != JobState.COMPLETED:
            code, reason = rendering.failure(job)
            raise upstream_refusals.no_video[code](reason)
        if job.is_without_result:
            raise refusals.video_expired(rendering.PURGED)
        url = video_objects.address(rendering.reply_of(job).get("outputData"))
        place, answer = shares.DownloadPlace(job.account_id), None
        try:
            answer = await deliver(
                url,
                headers(job),
                content_type="video/mp4",
                kind="video/",
                on_close=place.give_back,
            )
        finally:
            if answer is None or not answer.streaming:
                place.give_back()
        return answer


async def look(video_id: str, account_id: int) -> Job:
    """The video's job as it is now.

    Raises: GatewayError (404), also for jobs that make no video; LedgerUnavailable.
    """
    job = await find(video_id, "video", account_id, operation=videos.NAME)
    return await waiting.glance(job)
