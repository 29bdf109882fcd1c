"""`manage.py organization`: what is set for an organization, and its time zone changed.

Exit 0 done, 1 refused, with nothing changed.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.values.errors import AccountLocked
from portal.management.listing import listing
from portal.models import Organization
from portal.tenants import audit, organizations
from portal.tenants.errors import PortalError

ACTOR = audit.Actor(None, "manage.py organization")


class Command(BaseCommand):
    help = (
        "Show an organization, or set with --time-zone where its days begin: on its "
        "pages, and in its budgets. To move gives them no more room."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--time-zone", metavar="NAME", help="such as Europe/Berlin")
        parser.add_argument("--json", action="store_true", help="machine-readable")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["organization"]
        organization = Organization.objects.filter(slug=slug).first()
        if organization is None:
            raise CommandError(f"There is no organization {slug!r}: use its slug.")
        if options["time_zone"] is not None:
            set_time_zone(organization, options["time_zone"])
        rows = [row_of(organization)]
        self.stdout.write(listing(rows, is_json=options["json"], none=""))


def set_time_zone(organization: Organization, name: str) -> None:
    """Raises: CommandError; nothing was changed."""
    try:
        organizations.change(organization, time_zone=name, actor=ACTOR)
    except PortalError as refusal:
        raise CommandError(str(refusal)) from refusal
    except AccountLocked as locked:
        raise CommandError(
            "Somebody keeps the organization's account locked. Run it again."
        ) from locked


def row_of(organization: Organization) -> dict[str, str]:
    organization.account.refresh_from_db()
    return {
        "slug": organization.slug,
        "name": organization.name,
        "time_zone": organization.account.time_zone,
        "stores_replies": "yes" if organization.stores_replies else "no",
    }
