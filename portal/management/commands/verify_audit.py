"""`manage.py verify_audit`: exit 0 clean, 1 findings, 2 could not run."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from billing.values.connection import snapshot
from portal.models import AuditChain, Organization
from portal.tenants import chain

MEANINGS = {
    "CONTENT": "is not as it was written",
    "GAP": "does not follow on the row before it: rows are missing",
    "CHAIN": "follows on another row than it did",
    "UNCHAINED": "has no place in its chain",
    "END": "is the last one that was written, and the chain ends elsewhere",
}


class Command(BaseCommand):
    help = "Check every row of the audit trail, and that none is missing."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="machine-readable")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with snapshot():
                slugs = dict(Organization.objects.values_list("id", "slug"))
                findings = [
                    {
                        "code": wrong.code,
                        "organization": slugs.get(wrong.organization_id),
                        "number": wrong.number,
                        "event": wrong.event_id,
                    }
                    for wrong in chain.wrong_everywhere()
                ]
                ends = AuditChain.objects.order_by("id")
                heads = [
                    {
                        "organization": slugs.get(end.id),
                        "events": end.number,
                        "chain": end.chain,
                    }
                    for end in ends
                ]
        except DatabaseError as error:
            self.stderr.write(f"could not verify: {error}")
            sys.exit(2)
        if options["json"]:
            told = {"ok": not findings, "findings": findings, "chains": heads}
            self.stdout.write(json.dumps(told))
        else:
            self._describe(findings, heads)
        sys.exit(1 if findings else 0)

    def _describe(
        self, findings: list[dict[str, Any]], heads: list[dict[str, Any]]
    ) -> None:
        for found in findings:
            whose = found["organization"] or "no organization"
            self.stdout.write(
                f"error: {found['code']} event {found['number'] or found['event']} of "
                f"{whose} {MEANINGS[found['code']]}"
            )
        count = sum(head["events"] for head in heads)
        state = "The audit trail is WRONG" if findings else "The audit trail is right"
        self.stdout.write(f"{state}: {count} events in {len(heads)} chains.")
