"""An organization with people, keys and calls in it, and what its pages are about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from billing import grants
from billing.budgets import Subject
from billing.models import Hold, Spender
from billing.models.budget import Level, Window
from billing.models.grant import GrantSource
from billing.values.orders import CREDIT
from portal.models import ApiKey, Membership, Organization, Project, Role, User
from portal.tenants import (
    budgets,
    keys,
    members,
    organizations,
    projects,
    service_accounts,
)
from portal.tenants.keys import Holder
from tests.pages import calls
from tests.support.cast import OPERATOR, make_call, make_user

ROLES = (Role.DEVELOPER, Role.DEVELOPER, Role.VIEWER, Role.BILLING, Role.ADMIN)


@dataclass(frozen=True)
class House:
    """`objects`: a value for each parameter that a URL has."""

    organization: Organization
    owner: User
    objects: dict[str, Any]


def build(
    name: str,
    *,
    calls_count: int,
    keys_count: int,
    members_count: int,
    password: str | None = None,
) -> House:
    """People and keys by the operations that make them, calls past them. An address is
    of the house's name."""
    owner = make_user(f"owner@{name}.example.com", password)
    organization = organizations.create(name.title(), owner=owner, actor=OPERATOR)
    grants.issue(
        organization.account_id,
        (10 + 4 * calls_count) * CREDIT,
        source=GrantSource.PURCHASE,
        reference=f"house:{name}",
    )
    teams = [projects.default_of(organization)] + [
        projects.create(organization, f"Team {number}", actor=OPERATOR)
        for number in range(1, 2 + members_count // 20)
    ]
    people = [
        _member(organization, f"person{number}@{name}.example.com", number)
        for number in range(members_count)
    ]
    robot = service_accounts.create(organization, "CI robot", actor=OPERATOR)
    holders: list[Holder] = [robot, organization.memberships.get(user=owner)]
    holders += [person for person in people if person.role == Role.DEVELOPER]
    made = [
        _key(teams[number % len(teams)], holders[number % len(holders)], number)
        for number in range(keys_count)
    ]
    _limits(organization, made[0])
    spenders = list(
        Spender.objects.filter(pk__in=[key.spender_id for key in made])
        .select_related("project", "holder")
        .order_by("pk")
    )
    account = type(organization.account).objects.get(pk=organization.account_id)
    calls.write(account, spenders, calls_count, timezone.now() - timedelta(minutes=1))
    make_call(made[0])
    return House(organization, owner, _objects(organization, made[0], people, robot))


def _member(organization: Organization, email: str, number: int) -> Membership:
    user = make_user(email)
    return members.add(organization, user, ROLES[number % len(ROLES)], actor=OPERATOR)


def _key(project: Project, holder: Holder, number: int) -> ApiKey:
    return keys.issue(project, f"key {number}", actor=OPERATOR, holder=holder)[0]


def _limits(organization: Organization, key: ApiKey) -> None:
    for subject, window in (
        (Subject(Level.ORGANIZATION), Window.MONTH),
        (Subject(Level.KEY, spender_id=key.spender_id), Window.DAY),
    ):
        budgets.set_limit(
            organization,
            subject,
            window,
            10_000_000 * CREDIT,
            counts_spend_so_far=True,
            actor=OPERATOR,
        )


def _objects(
    organization: Organization, key: ApiKey, people: list[Any], robot: Any
) -> dict[str, Any]:
    call = Hold.objects.filter(account_id=organization.account_id).latest("placed_at")
    return {
        "slug": organization.slug,
        "key_id": key.pk,
        "project_id": key.project_id,
        "membership_id": people[0].pk,
        "service_account_id": robot.pk,
        "request_id": f"req_{call.id.hex}",
    }
