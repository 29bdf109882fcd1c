"""`manage.py verify_ledger`: exit 0 clean, 1 findings, 2 could not run.

A whole run that finds no error leaves checkpoints for `--since-checkpoint`.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from billing.values.amounts import credits_text
from billing.verification import checkpoints
from billing.verification.report import Report, verify


class Command(BaseCommand):
    help = "Check every balance, hold, lot, usage record and sum against the entries."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="machine-readable")
        parser.add_argument(
            "--since-checkpoint",
            action="store_true",
            help="read only those rows again that were written since a whole run found "
            "no error; sums and balances are checked in any case",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = verify(since_checkpoint=options["since_checkpoint"])
        except DatabaseError as error:
            self.stderr.write(f"could not verify: {error}")
            sys.exit(2)
        if options["json"]:
            self.stdout.write(json.dumps(report.as_dict()))
        else:
            self._describe(report)
        try:
            checkpoints.write(report.heads)
        except DatabaseError as error:  # e.g. of a copy that may only be read
            self.stderr.write(f"no checkpoint is kept: {error}")
        sys.exit(0 if report.ok else 1)

    def _describe(self, report: Report) -> None:
        for finding in report.findings:
            self.stdout.write(f"{finding.severity}: {finding.code} {finding.detail}")
        totals = report.totals
        state = "The ledger is right" if report.ok else "The ledger is WRONG"
        self.stdout.write(
            f"{state}: {totals['accounts']} accounts, {totals['entries']} entries, "
            f"{totals['holds']} holds, {totals['usage_records']} usage records, "
            f"{credits_text(totals['charged_micros'])} credits charged, "
            f"{credits_text(totals['absorbed_micros'])} absorbed."
        )
