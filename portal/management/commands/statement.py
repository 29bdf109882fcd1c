"""`manage.py statement`: a month of an organization, as JSON or PDF.

Exit 0 written, 1 refused.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.documents import files, months, pdf
from portal.management.commands.export import organization_of
from portal.tenants.errors import MonthNotClosable


class Command(BaseCommand):
    help = (
        "Write the statement of a month: opening + top-ups + grants − usage − expiry ± "
        "corrections = closing. A month that is open is as it would be if it ended now."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--month", required=True, metavar="YYYY-MM")
        parser.add_argument("--format", default="json", choices=["json", "pdf"])
        parser.add_argument("--out", required=True, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = organization_of(options["organization"])
        try:
            found = months.documents_of(organization, options["month"])
        except MonthNotClosable as refusal:
            raise CommandError(str(refusal)) from refusal
        target = Path(options["out"])
        is_json = options["format"] == "json"
        content = pdf.as_json(found) if is_json else pdf.statement(found)
        try:
            with files.private_file(target) as file:
                file.write(content)
        except OSError as error:
            raise CommandError(f"Nothing was written: {error}") from error
        self.stdout.write(f"{target}: {found[0].number or 'the month is open'}")
