"""`manage.py jobs`: the jobs that are not done, or that the upstream lost."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from billing.models import Hold
from billing.models.hold import UNRESOLVED
from billing.values import clock
from billing.values.amounts import credits_text
from portal.management.commands.doubts import aligned
from portal.models import Organization
from proxy.models import Job, JobState
from proxy.models.job import UNFINISHED


class Command(BaseCommand):
    help = "List the jobs that are not done, or that the upstream lost, oldest first."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="machine-readable")
        parser.add_argument("--all", action="store_true", help="finished ones too")

    def handle(self, *args: Any, **options: Any) -> None:
        jobs = Job.objects.order_by("created_at", "id")
        if not options["all"]:
            jobs = jobs.filter(state__in=[*UNFINISHED, JobState.LOST])
        rows = [describe(job) for job in jobs.iterator()]
        if options["json"]:
            self.stdout.write(json.dumps(rows))
        elif rows:
            self.stdout.write(aligned(rows))
        else:
            self.stdout.write("No job is waiting, and none is lost. All is well.")


def describe(job: Job) -> dict[str, Any]:
    organization = Organization.objects.filter(account_id=job.account_id).first()
    hold = Hold.objects.filter(id=job.id, state__in=UNRESOLVED).first()
    return {
        "id": job.public_id,
        "organization": organization.slug if organization else "",
        "operation": job.operation,
        "model": job.model,
        "state": job.state,
        "age_seconds": int((clock.now() - job.created_at).total_seconds()),
        "polls": job.polls,
        "misses": job.misses,
        "held_credits": credits_text(hold.amount_micros if hold else 0),
        "remark": job.remark,
    }
