"""What the end of a job means in money: by the terms agreed when it began."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from billing.models.usage import Basis
from billing.pricing import stored
from billing.pricing.rates import Rates, Units
from billing.pricing.usage import measure
from billing.values.orders import CREDIT, Release, Settle, Usage
from proxy.calls.call import Document
from proxy.jobs.looks import Look
from proxy.models import Job, JobState


def terms(rates: Rates, least: Units, remembered: Document) -> dict[str, Any]:
    """What settling will need, as JSON: a tariff changed meanwhile changes nothing.
    And what is `remembered` of the request, to be shown."""
    return {
        "rates": stored.to_json(rates),
        "least": stored.to_json(least),
        "remembered": remembered,
    }


def least(job: Job) -> Units:
    """What the job surely uses. Raises: ValueError when its terms cannot be read."""
    return stored.from_json(Units, job.terms.get("least"))


def resolution(job: Job, look: Look) -> Settle | Release:
    """The order that a job's end means for its hold.

    Raises: ValueError when the job's terms cannot be read.
    """
    usage = _usage(job, look.document.get("usage"))
    if look.status == JobState.COMPLETED:
        return Settle(job.id.hex, job.account_id, usage)
    reason = "upstream_job_failed"
    if usage.basis == Basis.UPSTREAM and usage.cost_micros:
        # A failure that the upstream charges for costs what any other does.
        return Settle(job.id.hex, job.account_id, usage, reason)
    unproven = None
    if "usage_invalid" in usage.flags:
        unproven = replace(usage, basis=Basis.IN_DOUBT.value, cost_micros=0)
    return Release(job.id.hex, job.account_id, reason, unproven)


def _usage(job: Job, report: Any) -> Usage:
    usage = measure(
        report,
        rates=stored.from_json(Rates, job.terms.get("rates")),
        bound_micros=job.bound_micros,
        counted=least(job),
        request_id=f"req_{job.id.hex}",
    )
    changes: dict[str, Any] = {"upstream_id": job.upstream_id}
    if usage.basis == Basis.ESTIMATED:
        if "usage_invalid" not in usage.flags:
            changes["flags"] = (*usage.flags, "usage_missing")
        if job.estimated_credits is not None:
            changes["cost_micros"] = job.estimated_credits * CREDIT
    return replace(usage, **changes)
