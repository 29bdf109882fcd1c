"""`manage.py explain`: what an organization had at two instants, and why that differs.

Exit 0 it adds up, 1 refused, or it does not add up.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing.reports import bundle
from billing.reports.explain import Explanation, explain
from billing.values.amounts import credits_text
from portal.management.listing import listing
from portal.models import Organization
from portal.pages.money.instants import InstantField


class Command(BaseCommand):
    help = (
        "Explain an organization's balance between two instants of its time zone: "
        "opening, everything that changed it, closing. To the microcredit."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument(
            "--from", required=True, metavar="TIME", help="such as 2026-10-01T00:00:00"
        )
        parser.add_argument("--until", metavar="TIME", help="just before; default: now")
        parser.add_argument("--json", action="store_true", help="machine-readable")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["organization"]
        accounts = Organization.objects.select_related("account")
        organization = accounts.filter(slug=slug).first()
        if organization is None:
            raise CommandError(f"There is no organization {slug!r}: use its slug.")
        zone = ZoneInfo(organization.account.time_zone)
        now = timezone.now()
        since = instant("--from", options["from"], zone, now)
        until = instant("--until", options["until"], zone, now)
        if since >= until:
            raise CommandError("--until is not after --from.")
        found = explain(organization.account_id, since, until)
        if options["json"]:
            names = {"organization": slug, "time_zone": zone.key}
            self.stdout.write(json.dumps(bundle.figures(found) | names))
        else:
            self.stdout.write(listing(rows_of(found), is_json=False, none=""))
        if found.gap_micros:
            raise CommandError(
                f"It does not add up by {credits_text(found.gap_micros)} credits. "
                "Run manage.py verify_ledger."
            )


def instant(option: str, text: str | None, zone: ZoneInfo, now: datetime) -> datetime:
    """Raises: CommandError."""
    if text is None:
        return now
    try:
        found = InstantField(zone, now).clean(text)
    except ValidationError as error:
        raise CommandError(f"{option}: {' '.join(error.messages)}") from error
    assert found is not None, "the field is required"
    return found


def rows_of(found: Explanation) -> list[dict[str, Any]]:
    lines = [(line.why.value, line.count, line.amount_micros) for line in found.lines]
    return [
        {"what": what, "count": count, "credits": credits_text(micros)}
        for what, count, micros in (
            ("opening", "", found.opening.balance_micros),
            *lines,
            ("closing", found.entries, found.closing.balance_micros),
            ("held at the opening", "", found.held_since.micros),
            ("held at the closing", "", found.held_until.micros),
        )
    ]
