"""`manage.py bootstrap`: the first tenant, for people in a hurry and for scripts."""

from __future__ import annotations

import json
import secrets
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import transaction

from billing import grants
from billing.errors import ReferenceConflict
from billing.models.grant import GrantSource
from billing.orders import AMOUNT_MICROS_MAX, CREDIT
from portal import audit, keys, members, organizations
from portal.errors import PortalError
from portal.models import Organization, Role, User

CREDITS_MAX = AMOUNT_MICROS_MAX // CREDIT
ACTOR = audit.Actor(None, "manage.py bootstrap")


class Command(BaseCommand):
    help = (
        "Make a user, an organization with credits, and an API key. Running it again "
        "finds the user and the organization, grants nothing twice, and issues "
        "another key (a key's secret cannot be shown a second time)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="NAME")
        parser.add_argument("--email", required=True)
        parser.add_argument("--credits", required=True, type=int, metavar="N")
        parser.add_argument("--password", help="of a new user; default: random")
        parser.add_argument("--key-name", default="default")
        parser.add_argument(
            "--reference", help="what the credits are for; granted once per reference"
        )
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        made = make(options)
        if options["json"]:
            self.stdout.write(json.dumps(made))
            return
        for label, value in made.items():
            self.stdout.write(f"{label:<14}{value or '(unchanged)'}")


def make(options: dict[str, Any]) -> dict[str, str | None]:
    """What the command does, for other commands too.

    Raises: CommandError; then nothing was made.
    """
    refuse_nonsense(options)
    try:
        with transaction.atomic():
            return bootstrap(options)
    except ReferenceConflict as conflict:
        raise CommandError(
            "This organization was given other credits by an earlier run; "
            "name a new --reference to grant more."
        ) from conflict
    except PortalError as refusal:
        raise CommandError(str(refusal)) from refusal


def refuse_nonsense(options: dict[str, Any]) -> None:
    if not 1 <= options["credits"] <= CREDITS_MAX:
        raise CommandError(f"--credits must be from 1 to {CREDITS_MAX}.")
    try:
        # In the form that is stored: another one might hide a second "@".
        validate_email(User.objects.normalize_email(options["email"]))
        if options["password"] is not None:
            validate_password(options["password"])
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error


def bootstrap(options: dict[str, Any]) -> dict[str, str | None]:
    """All of it, inside the caller's one transaction."""
    user, password = find_or_create_user(options["email"], options["password"])
    organization = find_or_create_organization(options["organization"], user)
    grants.issue(
        organization.account_id,
        options["credits"] * CREDIT,
        source=GrantSource.PURCHASE,
        reference=options["reference"] or f"bootstrap:{organization.slug}",
        reason="bootstrap",
    )
    audit.record(
        "credits.grant",
        actor=ACTOR,
        organization=organization,
        target=organization.slug,
        credits=options["credits"],
        reference=options["reference"] or "bootstrap",
    )
    project = organization.projects.get(is_default=True)
    _, secret = keys.issue(project, options["key_name"], actor=ACTOR)
    return {
        "organization": organization.slug,
        "email": user.email,
        "password": password,
        "api_key": secret,
    }


def find_or_create_user(email: str, wanted: str | None) -> tuple[User, str | None]:
    """The user, and the password if this call set one."""
    email = User.objects.normalize_email(email)
    user = User.objects.filter(email=email).first()
    if user is not None:
        return user, None
    password = wanted if wanted is not None else secrets.token_urlsafe(15)
    return User.objects.create_user(email, password), password


def find_or_create_organization(name: str, user: User) -> Organization:
    """The organization whose slug the name gives, with `user` among its owners."""
    slug = organizations.slug_of(name)
    found = Organization.objects.filter(slug=slug).first()
    if found is None:
        return organizations.create(name, owner=user, actor=ACTOR)
    if not found.memberships.filter(user=user).exists():
        members.add(found, user, Role.OWNER, actor=ACTOR)
    return found
