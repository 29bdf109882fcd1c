"""`GET /v1/jobs/{id}`: free, and only for the job's own account."""

from __future__ import annotations

import asyncio

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from billing.values.amounts import credits_text
from proxy.http import refusals, reply
from proxy.http.handler import ClientGone, LeanRequest, wait_for_disconnect
from proxy.jobs import rendering, waiting
from proxy.models import Job
from proxy.process.database import read_for
from proxy.views.base import AsyncAPIView
from proxy.views.fields import uuid_in

POLL_SECONDS = 30  # the contract's own


class JobView(AsyncAPIView):
    """What became of one job; with `poll=true` the reply waits for its end."""

    async def get(self, request: Request, job_id: str) -> HttpResponseBase:
        job = await find(job_id, "job", self.identity.account_id)
        if request._request.GET.get("poll", "").lower() in ("true", "1", "yes"):
            job = await self._end_of(job, request._request)
        else:
            job = await waiting.glance(job)
        return reply.json(rendering.render(job), headers(job))

    async def _end_of(self, job: Job, request: HttpRequest) -> Job:
        """Wait until the job is over or the client leaves, and then look no more."""
        assert isinstance(request, LeanRequest)
        waits = asyncio.create_task(waiting.poll(job, POLL_SECONDS))
        leaving = asyncio.create_task(wait_for_disconnect(request.receive))
        try:
            await asyncio.wait({waits, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not waits.done():
                raise ClientGone
            return waits.result()
        finally:
            leaving.cancel()
            waits.cancel()


async def find(public_id: str, kind: str, account_id: int, **wanted: str) -> Job:
    """The account's job of this id (`<kind>_<hex>`) that also is as `wanted`.

    Raises: GatewayError, the same 404 for another account's job, for a missing one,
    and for an id we did not issue.
    """
    job: Job | None = None
    if uuid := uuid_in(public_id, kind):
        named = Job.objects.filter(id=uuid, account_id=account_id, **wanted)
        job = await read_for(account_id, named.first)
    if job is None:
        raise refusals.job_not_found()
    return job


def headers(job: Job) -> dict[str, str]:
    """The headers of every reply about a job; amounts in credits."""
    found = {**reply.headers(), "x-job-id": job.public_id}
    if job.is_over and job.charged_micros is not None:
        found["x-credits-charged"] = credits_text(job.charged_micros)
        found["x-price-basis"] = job.basis
    return found
