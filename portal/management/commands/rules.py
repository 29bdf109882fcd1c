"""`manage.py rules`: limits of rate and allow-lists of an organization, listed; and
those of one subject set, in the place of what there was.

Exit 0 done, 1 refused, with nothing changed.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.models import Unit
from billing.models.budget import Level
from portal.management.commands.budget import LEVELS, subject_of
from portal.management.listing import listing
from portal.models import ApiKey, Organization, Rules
from portal.tenants import audit, rules
from portal.tenants.errors import PortalError

ACTOR = audit.Actor(None, "manage.py rules")
RATES = {
    "requests": "requests_per_minute",
    "tokens": "tokens_per_minute",
    "calls": "calls_at_once",
}
LISTS = ("models", "operations", "networks")


class Command(BaseCommand):
    help = (
        "List an organization's limits of rate and allow-lists, or set those of one "
        "subject: --level and --name, as in manage.py budget. What is not said is not "
        "limited, whatever it was before."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--level", choices=[str(level) for level in LEVELS])
        parser.add_argument("--name", default="", help="of whom they bind")
        parser.add_argument("--requests", type=int, metavar="N", help="a minute")
        parser.add_argument("--tokens", type=int, metavar="N", help="a minute")
        parser.add_argument("--calls", type=int, metavar="N", help="at once")
        parser.add_argument("--models", metavar="PATTERNS", help="* and commas")
        parser.add_argument("--operations", metavar="NAMES")
        parser.add_argument("--networks", metavar="NETWORKS", help="192.0.2.0/24,…")
        parser.add_argument("--json", action="store_true", help="machine-readable")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["organization"]
        organization = Organization.objects.filter(slug=slug).first()
        if organization is None:
            raise CommandError(f"There is no organization {slug!r}: use its slug.")
        said = [name for name in (*RATES, *LISTS) if options[name] is not None]
        if options["level"]:
            set_one(organization, options)
        elif said or options["name"]:
            raise CommandError("Say for whom with --level and --name.")
        found = Rules.objects.filter(organization=organization).order_by("pk")
        rows = [row_of(row) for row in found.select_related("unit", "api_key")]
        none = f"{slug} has no limits of rate and no lists."
        self.stdout.write(listing(rows, is_json=options["json"], none=none))


def set_one(organization: Organization, options: dict[str, Any]) -> None:
    """Raises: CommandError; nothing was changed."""
    subject = subject_of(organization, Level(options["level"]), options["name"])
    unit_id = subject.project_id or subject.holder_id
    spender_id = subject.spender_id
    wanted: dict[str, Any] = {
        **{column: options[name] for name, column in RATES.items()},
        **{name: rules.listed(options[name] or "") for name in LISTS},
    }
    try:
        rules.set_rules(
            organization,
            actor=ACTOR,
            unit=Unit.objects.get(id=unit_id) if unit_id else None,
            key=ApiKey.objects.get(spender_id=spender_id) if spender_id else None,
            **wanted,
        )
    except PortalError as refusal:
        raise CommandError(str(refusal)) from refusal


def row_of(row: Rules) -> dict[str, str]:
    level, name = "organization", ""
    if row.unit is not None:
        level, name = row.unit.kind, row.unit.label
    elif row.api_key is not None:
        level, name = "key", row.api_key.name
    rates = {name: str(getattr(row, column) or "-") for name, column in RATES.items()}
    return {
        "level": level,
        "name": name,
        **rates,
        "models": row.model_patterns or "*",
        "operations": row.operations or "*",
        "networks": row.networks or "*",
    }
