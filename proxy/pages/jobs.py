"""Jobs: what the upstream still works on, and what became of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from billing.models import Hold
from billing.models.hold import UNRESOLVED
from billing.reports.calls import CallReport, calls_with
from billing.values import clock
from billing.values.amounts import price_of
from billing.values.orders import CREDIT
from portal.pages.parts import filters, frame, navigation, tables
from portal.pages.parts.filters import Choice, Text
from portal.pages.parts.tables import Column, Kind, Table
from portal.tenants import tenancy
from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant
from proxy.jobs import rendering
from proxy.jobs.video_objects import address
from proxy.models import Job, JobState
from proxy.models.job import ASKED_ABOUT

MEANINGS = {
    JobState.SUBMITTING: "On its way: the upstream may, or may not, know of it.",
    JobState.PENDING: "The upstream has it and has not begun.",
    JobState.PROCESSING: "The upstream works on it.",
    JobState.COMPLETED: "It is done.",
    JobState.FAILED: "The upstream could not finish it.",
    JobState.LOST: "The upstream does not know it any more; its credits are, or were, "
    "in doubt.",
}
STATES = [(state.value, state.value.capitalize()) for state in JobState]


@dataclass(frozen=True, slots=True)
class Row:
    """A job, with the call that it is in the ledger."""

    job: Job
    call: CallReport | None
    factor_ppm: int
    now: datetime

    @property
    def meaning(self) -> str:
        return MEANINGS[JobState(self.job.state)]

    @property
    def progress(self) -> int:
        return 100 if self.job.state == JobState.COMPLETED else self.job.progress

    @property
    def estimate_micros(self) -> int | None:
        """At the organization's price; None where the upstream made none."""
        credits = self.job.estimated_credits
        return None if credits is None else price_of(credits * CREDIT, self.factor_ppm)

    @property
    def is_held(self) -> bool:
        return self.call is not None and self.call.state in UNRESOLVED

    @property
    def held_micros(self) -> int | None:
        return self.call.held_micros if self.call and self.is_held else None

    @property
    def held_since(self) -> datetime | None:
        return self.call.placed_at if self.call and self.is_held else None

    @property
    def charged_micros(self) -> int | None:
        return self.call.charged_micros if self.call else None

    @property
    def result_url(self) -> str:
        """Where the upstream keeps the result, while we keep its address."""
        made = rendering.reply_of(self.job).get("outputData")
        found = address(made) or ""
        return found if urlsplit(found).scheme in ("http", "https") else ""

    @property
    def kept_until(self) -> datetime | None:
        """The result's address is forgotten then."""
        ended = self.job.finished_at
        if ended is None or not self.job.reply:
            return None
        return ended + timedelta(seconds=settings.JOB_REPLY_SECONDS)


TABLE = Table(
    name="jobs",
    caption="The latest first; a job is asked about until it has ended",
    columns=(
        Column(
            "time",
            "Begun",
            "job.created_at",
            Kind.TIME,
            order="created_at",
            template="jobs/time.html",
        ),
        Column("id", "", "job.public_id", is_in_page=False),
        Column("state", "State", "job.state", template="jobs/state.html"),
        Column("progress", "Progress", template="jobs/progress.html"),
        Column("operation", "Operation", "job.operation"),
        Column("model", "Model", "job.model", filters="model"),
        Column("key", "Key", "call.spender_label"),
        Column("holder", "Held by", "call.holder_label"),
        Column("estimate", "Estimate", "estimate_micros", Kind.CREDITS),
        Column("held", "Held", "held_micros", Kind.CREDITS),
        Column("held_since", "Held since", "held_since", Kind.AGO),
        Column("charged", "Charged", "charged_micros", Kind.CREDITS),
        Column("result", "Result", "result_url", template="jobs/result.html"),
        Column("finished_at", "", "job.finished_at", is_in_page=False),
        Column("error", "", "job.error", is_in_page=False),
    ),
    sort="-time",
    empty="No job in this time. Videos are made as jobs: POST /v1/videos.",
)


@require_safe
@tenancy.page(*navigation.JOBS)
def job_list(request: HttpRequest, tenant: Tenant) -> HttpResponseBase:
    """A developer sees the jobs of their own keys; a viewer, no names of keys."""
    fields = (
        filters.Range("30d"),
        Choice("state", "State", STATES),
        Text("model", "Model"),
    )
    bar = filters.read(request.GET, frame.zone_of(tenant), fields)
    found = jobs_of(tenant).filter(
        created_at__gte=bar.span.since, created_at__lt=bar.span.until
    )
    if state := bar.get("state"):
        found = found.filter(state=state)
    if model := bar.get("model"):
        found = found.filter(model=model)
    table = TABLE.without(*hidden(tenant))
    if tables.wants_csv(request):
        return table.csv(request, found, prepare=rows)
    context = {
        "filters": bar,
        "listing": table.show(request, found, prepare=rows),
        "sees_own_only": not tenant.may(Permission.SEE_JOBS),
    }
    return frame.show(request, tenant, "jobs/jobs.html", context)


@require_safe
@tenancy.page(*navigation.JOBS)
def job_page(request: HttpRequest, tenant: Tenant, job_id: str) -> HttpResponse:
    """One job, with its hold and its result."""
    row = rows([_job(tenant, job_id)])[0]
    job = row.job
    names = hidden(tenant)
    context: dict[str, Any] = {
        "row": row,
        "job": job,
        "is_asked_about": job.state in ASKED_ABOUT,
        "took": job.finished_at - job.created_at if job.finished_at else None,
        "sees_key_names": "key" not in names,
        "sees_members": "holder" not in names,
        "purged": rendering.PURGED if job.is_without_result else "",
    }
    return frame.show(request, tenant, "jobs/job.html", context)


def jobs_of(tenant: Tenant) -> QuerySet[Job]:
    """The organization's, or those of the keys that a developer holds, as it was when
    they were made."""
    found = Job.objects.filter(account_id=tenant.organization.account_id)
    if tenant.may(Permission.SEE_JOBS):
        return found
    own = Hold.objects.filter(id=OuterRef("id"), holder_id=tenant.membership.unit_id)
    return found.filter(Exists(own))


def hidden(tenant: Tenant) -> list[str]:
    """Columns with names that this person is not told."""
    found = []
    if not tenant.may(Permission.SEE_KEY_NAMES):
        found.append("key")
    if not tenant.may(Permission.SEE_MEMBERS):
        found.append("holder")
    return found


def rows(jobs: list[Job]) -> Sequence[Row]:
    """With what the ledger knows of them, of all at once."""
    ids = [job.id for job in jobs]
    calls = {UUID(call.request_id[4:]): call for call in calls_with(ids)}
    held = Hold.objects.filter(id__in=ids).values_list("id", "price_factor_ppm")
    factors, now = dict(held), clock.now()
    return [
        Row(job, calls.get(job.id), factors.get(job.id, 10**6), now) for job in jobs
    ]


def _job(tenant: Tenant, job_id: str) -> Job:
    """Raises: Http404, the same for another's job and for none."""
    try:
        id_ = UUID(job_id.removeprefix("job_"))
    except ValueError:
        raise Http404 from None
    job = jobs_of(tenant).filter(id=id_).first()
    if job is None or job.public_id != job_id:
        raise Http404
    return job
