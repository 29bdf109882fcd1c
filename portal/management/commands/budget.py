"""`manage.py budget`: an organization's limits, listed; and one set, for scripts.

Exit 0 done, 1 refused, with nothing changed.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import budgets as ledger
from billing.budgets import Link, Subject
from billing.models import Unit
from billing.models.account import UnitKind
from billing.models.budget import Level, Window
from billing.values.amounts import credits_text, micros_of
from portal.management.listing import listing
from portal.models import ApiKey, Organization
from portal.tenants import audit, budgets
from portal.tenants.errors import PortalError

ACTOR = audit.Actor(None, "manage.py budget")
LEVELS = [Level.ORGANIZATION, Level.PROJECT, Level.MEMBER, Level.KEY]


class Command(BaseCommand):
    help = (
        "List an organization's limits, or set one: --level, --window and --credits. "
        "A project is named by its name or slug, a member by their address, a service "
        "account or a key by its name. What was spent so far counts, unless "
        "--from-now. --remove takes a limit out of force."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--level", choices=[str(level) for level in LEVELS])
        parser.add_argument("--name", default="", help="of whom the limit binds")
        parser.add_argument("--window", choices=Window.values)
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--credits", metavar="N", help="up to six decimals")
        what.add_argument("--remove", metavar="ID", type=int)
        parser.add_argument(
            "--model", default="", metavar="PATTERN", help="* and commas"
        )
        parser.add_argument("--operation", default="")
        parser.add_argument(
            "--from-now", action="store_true", help="what was spent does not count"
        )
        parser.add_argument("--json", action="store_true", help="machine-readable")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["organization"]
        organization = Organization.objects.filter(slug=slug).first()
        if organization is None:
            raise CommandError(f"There is no organization {slug!r}: use its slug.")
        try:
            if options["remove"] is not None:
                budgets.remove(organization, options["remove"], actor=ACTOR)
            elif options["credits"] is not None:
                set_one(organization, options)
            elif options["level"] or options["window"]:
                raise CommandError("Say how much with --credits.")
        except PortalError as refusal:
            raise CommandError(str(refusal)) from refusal
        rows = [row_of(link) for link in ledger.of_account(organization.account_id)]
        none = f"{slug} has no limits."
        self.stdout.write(listing(rows, is_json=options["json"], none=none))


def set_one(organization: Organization, options: dict[str, Any]) -> None:
    """Raises: CommandError, PortalError; nothing was changed."""
    if not options["level"] or not options["window"]:
        raise CommandError("A limit needs --level and --window.")
    try:
        micros = micros_of(options["credits"])
    except ValueError as error:
        raise CommandError(
            f"{options['credits']!r} is no amount of credits: digits, and up to six "
            "decimals after a point."
        ) from error
    budgets.set_limit(
        organization,
        subject_of(organization, Level(options["level"]), options["name"]),
        Window(options["window"]),
        micros,
        counts_spend_so_far=not options["from_now"],
        model_pattern=options["model"],
        operation=options["operation"],
        actor=ACTOR,
    )


def subject_of(organization: Organization, level: Level, name: str) -> Subject:
    """Raises: CommandError."""
    if (level == Level.ORGANIZATION) == bool(name):
        raise CommandError("--name goes with every level but organization.")
    if level == Level.ORGANIZATION:
        return Subject(level)
    if level == Level.KEY:
        # A run's key has the run's own end, and is called as whoever opened it likes.
        keys = ApiKey.objects.filter(
            organization=organization, name=name, spender__parent__isnull=True
        )
        current = keys.filter(revoked_at=None)
        return Subject(level, spender_id=one(level, name, current, "spender_id"))
    units = Unit.objects.filter(account_id=organization.account_id)
    if level == Level.MEMBER:
        holders = units.exclude(kind=UnitKind.PROJECT).filter(label=name)
        return Subject(level, holder_id=one(level, name, holders, "id"))
    projects = organization.projects.filter(name=name)
    if not projects.exists():
        projects = organization.projects.filter(slug=name)
    return Subject(level, project_id=one(level, name, projects, "unit_id"))


def one(level: Level, name: str, found: Any, column: str) -> int:
    """The one that is called so. Raises: CommandError."""
    ids: list[int] = list(found.values_list(column, flat=True)[:2])
    if len(ids) != 1:
        how_many = "more than one" if ids else "no"
        raise CommandError(f"The organization has {how_many} {level} called {name!r}.")
    return ids[0]


def row_of(link: Link) -> dict[str, str]:
    return {
        "id": str(link.budget_id),
        "level": link.level,
        "name": link.label,
        "window": link.window,
        "model": link.model_pattern or "*",
        "operation": link.operation or "*",
        "limit_credits": credits_text(link.limit_micros),
        "used_credits": credits_text(link.used_micros),
        "held_credits": credits_text(link.held_micros),
        "left_credits": credits_text(link.left_micros),
        "resets_at": link.resets_at.isoformat() if link.resets_at else "never",
    }
