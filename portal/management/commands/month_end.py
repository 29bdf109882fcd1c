"""`manage.py month_end`: close a month, write its documents, compare with the ledger.

Exit 0 done, and the difference is 0; 1 refused, or it is not.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import statements
from billing.reports.periods import Range
from billing.values.amounts import credits_text
from billing.values.errors import AccountLocked
from portal.documents import files, months, pdf
from portal.documents.kinds import Format
from portal.management.commands.export import organization_of, written_to
from portal.tenants import audit
from portal.tenants.errors import MonthNotClosable

ACTOR = audit.Actor(None, "manage.py month_end")


class Command(BaseCommand):
    help = (
        "Close a month and all before it: numbered statements that never change. With "
        "--out, write them and the FOCUS files into a folder."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--month", required=True, metavar="YYYY-MM")
        parser.add_argument("--out", metavar="FOLDER")

    def handle(self, *args: Any, **options: Any) -> None:
        organization, month = (
            organization_of(options["organization"]),
            options["month"],
        )
        try:
            months.close(organization, month, actor=ACTOR)
        except MonthNotClosable as refusal:
            raise CommandError(str(refusal)) from refusal
        except AccountLocked as locked:
            raise CommandError(
                "Somebody keeps the organization's account locked. Run it again."
            ) from locked
        found = months.documents_of(organization, month)
        self.stdout.write(f"{month} is closed: {found[0].number}")
        if options["out"]:
            self._write(options["out"], organization, month, found)
        difference = months.difference_to_ledger(organization, month)
        self.stdout.write(f"Difference to the ledger: {credits_text(difference)}")
        if difference:
            raise CommandError("It does not add up: run manage.py verify_ledger.")

    def _write(
        self, out: str, organization: Any, month: str, found: list[months.Document]
    ) -> None:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        of, *_ = statements.of_month(organization.account_id, month)
        for ending, content in (
            ("json", pdf.as_json(found)),
            ("pdf", pdf.statement(found)),
        ):
            path = folder / f"statement-{month}.{ending}"
            with files.private_file(path) as file:
                file.write(content)
            self.stdout.write(f"  {path}")
        for kind in months.FOCUS:
            span = Range(of.starts_at, of.ends_at)
            path = folder / f"{kind}-{month}.csv"
            made = written_to(organization, kind, Format.CSV, span, path)
            self.stdout.write(f"  {path}: {made.rows} rows")
