"""`manage.py export`: an organization's data as a file.

Exit 0 written, 1 refused, with no file left.
"""

from __future__ import annotations

import os
import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing.reports.periods import Range
from portal.documents import files, focus_metadata, ranges, write
from portal.documents.kinds import Format, Kind
from portal.models import Organization


class Command(BaseCommand):
    help = (
        "Write an organization's usage, ledger, top-ups, audit trail or FOCUS data to "
        "a file. Days are of the organization's time zone, both included."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--kind", required=True, choices=[*map(str, Kind)])
        parser.add_argument("--from", required=True, metavar="DAY", dest="first")
        parser.add_argument("--to", required=True, metavar="DAY", dest="last")
        parser.add_argument("--format", default="csv", choices=[*map(str, Format)])
        parser.add_argument("--out", required=True, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = organization_of(options["organization"])
        span = span_given(organization, options["first"], options["last"])
        kind, format = Kind(options["kind"]), Format(options["format"])
        target = Path(options["out"])
        written = written_to(organization, kind, format, span, target)
        self.stdout.write(
            f"{target}: {written.rows} rows, {written.bytes} bytes, "
            f"sha256 {written.sha256}"
        )


def organization_of(slug: str) -> Organization:
    """Raises: CommandError."""
    found = Organization.objects.select_related("account").filter(slug=slug).first()
    if found is None:
        raise CommandError(f"There is no organization {slug!r}: use its slug.")
    return found


def span_given(organization: Organization, first: str, last: str) -> Range:
    """Raises: CommandError."""
    try:
        days = ranges.day_of_text(first), ranges.day_of_text(last)
        return ranges.span_of(organization, *days, timezone.now())
    except ValidationError as error:
        said = (f"--{name}: {' '.join(e)}" for name, e in error.message_dict.items())
        raise CommandError("; ".join(said)) from error
    except ValueError as error:
        raise CommandError(str(error)) from error


def written_to(
    organization: Organization, kind: Kind, format: Format, span: Range, target: Path
) -> write.Written:
    """Beside the target first: nobody finds half a file there. What a FOCUS file is
    stands beside it. Raises: CommandError."""
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        written = write.to_file(organization, kind, format, span, part)
        os.replace(part, target)
        told = focus_metadata.describe(organization, kind, span, target.name, written)
        if told is not None:
            beside = target.with_name(target.name + focus_metadata.ENDING)
            with files.private_file(beside) as file:
                file.write(told)
    except (OSError, write.FormatMissing) as error:
        raise CommandError(f"Nothing was written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return written
