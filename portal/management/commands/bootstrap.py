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
from django.db import IntegrityError, transaction

from billing import grants
from billing.models.grant import GrantSource
from billing.values.errors import AccountLocked, ReferenceConflict
from billing.values.orders import AMOUNT_MICROS_MAX, CREDIT
from portal.models import Organization, Role, User
from portal.tenants import audit, keys, members, names, organizations, projects
from portal.tenants.errors import PortalError

CREDITS_MAX = AMOUNT_MICROS_MAX // CREDIT
ACTOR = audit.Actor(None, "manage.py bootstrap")
# More than there are runs that would want the same at the same moment.
ATTEMPTS = 10


class Command(BaseCommand):
    help = (
        "Make a user, an organization with credits, and an API key. Running it again "
        "with the same name and a member's address finds the organization, grants "
        "nothing twice, and issues another key (a key's secret cannot be shown a "
        "second time). Another spelling of the name, in capitals too, is another "
        "organization; one that was renamed since is found by its first name."
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
        parser.add_argument(
            "--join",
            action="store_true",
            help="make the user an owner of an organization that others have already",
        )
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        made = make(options)
        lines = [f"{name:<14}{value or '(unchanged)'}" for name, value in made.items()]
        self.stdout.write(json.dumps(made) if options["json"] else "\n".join(lines))


def make(options: dict[str, Any]) -> dict[str, str | None]:
    """What the command does, for other commands too.

    Raises: CommandError; then nothing was made.
    """
    refuse_nonsense(options)
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return bootstrap(options)
        except IntegrityError:
            # Another run has just made the same user, name or slug: now it is found.
            continue
        except ReferenceConflict as conflict:
            raise CommandError(
                "The reference stands for other credits already: of another amount, or "
                "another organization's. Name a new --reference to grant more."
            ) from conflict
        except AccountLocked as locked:
            raise CommandError(
                "Somebody keeps the organization's account locked: nothing was made. "
                "Run it again."
            ) from locked
        except PortalError as refusal:
            raise CommandError(str(refusal)) from refusal
    raise CommandError("Others are making the same at this moment; run it again.")


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
    organization = find_or_create_organization(
        options["organization"], user, joins=options.get("join", False)
    )
    give_credits(organization, options["credits"], options["reference"])
    project = projects.default_of(organization)
    holder = organization.memberships.get(user=user)
    _, secret = keys.issue(project, options["key_name"], actor=ACTOR, holder=holder)
    return {
        "organization": organization.slug,
        "email": user.email,
        "password": password,
        "api_key": secret,
    }


@transaction.atomic
def give_credits(organization: Organization, credits: int, wanted: str | None) -> None:
    """Once for each reference. Raises: ReferenceConflict, AccountLocked."""
    reference = wanted or f"bootstrap:{organization.slug}"
    is_repeat = grants.is_issued(reference)
    grants.issue(
        organization.account_id,
        credits * CREDIT,
        source=GrantSource.PURCHASE,
        reference=reference,
        reason="bootstrap",
    )
    if not is_repeat:
        audit.record(
            "credits.grant",
            actor=ACTOR,
            organization=organization,
            credits=credits,
            reference=wanted or "bootstrap",
        )


def find_or_create_user(email: str, wanted: str | None) -> tuple[User, str | None]:
    """The user, and the password if this call set one."""
    email = User.objects.normalize_email(email)
    user = User.objects.filter(email=email).first()
    if user is not None:
        return user, None
    password = wanted if wanted is not None else secrets.token_urlsafe(15)
    made = User.objects.create_user(email, password)
    audit.record("user.create", actor=ACTOR, target=made.email)
    return made, password


def find_or_create_organization(name: str, user: User, *, joins: bool) -> Organization:
    """The organization bootstrapped by this very name, with `user` among its members.

    Never by its slug, which other names have too, nor by the name it has now, which
    is its members' to choose: either would hand one customer another's credits.

    Raises: InvalidName; CommandError when it is others' and the user does not join.
    """
    name = names.clean(name)
    found = Organization.objects.filter(bootstrapped_as=name).first()
    if found is None:
        return organizations.create(name, owner=user, actor=ACTOR, bootstrapped_as=name)
    if not found.memberships.filter(user=user).exists():
        if not joins:
            raise CommandError(
                f"The organization {found.slug} was made under this name already, and "
                f"{user.email} is no member of it. Name another --organization for one "
                "of their own, or --join to make them an owner of this one."
            )
        members.add(found, user, Role.OWNER, actor=ACTOR)
    return found
