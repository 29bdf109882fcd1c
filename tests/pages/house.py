"""An organization with people, keys and calls in it, and what its pages are about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from billing import grants
from billing.budgets import Subject
from billing.models import Spender
from billing.models.budget import Level, Window
from billing.models.grant import GrantSource
from billing.reports.periods import QUARTER
from billing.values.orders import CREDIT
from portal.models import (
    ApiKey,
    Membership,
    Organization,
    Project,
    RefusedCount,
    RefusedRequest,
    Role,
    User,
)
from portal.tenants import (
    budgets,
    invitations,
    keys,
    members,
    organizations,
    projects,
    refused,
    saved_views,
    service_accounts,
)
from portal.tenants.keys import Holder
from tests.pages import calls
from tests.support.cast import OPERATOR, actor_of, make_call, make_user
from tests.support.portal.bought import make_paid
from tests.support.portal.limited import make_budget
from tests.support.portal.noticed import give_endpoints

ROWS_EACH = 20  # numbers of refusals, a quarter of an hour
ROLES = (Role.DEVELOPER, Role.DEVELOPER, Role.VIEWER, Role.BILLING, Role.ADMIN)


@dataclass(frozen=True)
class House:
    """`objects`: one of each kind that a URL names (`neighbours.KINDS`)."""

    organization: Organization
    owner: User
    objects: dict[str, object]


@transaction.atomic
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
    spenders = list(
        Spender.objects.filter(pk__in=[key.spender_id for key in made])
        .select_related("project", "holder")
        .order_by("pk")
    )
    account = type(organization.account).objects.get(pk=organization.account_id)
    calls.write(account, spenders, calls_count, timezone.now() - timedelta(minutes=1))
    _refuse(organization, spenders, calls_count)
    objects = _objects(organization, owner, made[0], people, robot)
    return House(organization, owner, objects)


def _refuse(house: Organization, spenders: list[Spender], calls_count: int) -> None:
    """Refused calls: as many numbers as may be kept, or as there are calls, and the
    latest of each key."""
    now = timezone.now()
    first = refused.quarter_of(now)
    rows = min(calls_count, 2880 * ROWS_EACH)
    counts = [
        RefusedCount(
            organization=house,
            starts_at=first - (number // ROWS_EACH) * QUARTER,
            spender_id=spenders[number % len(spenders)].pk,
            holder_id=spenders[number % len(spenders)].holder_id or 0,
            code=("budget_exceeded", "key_revoked", "invalid_request")[number % 3],
            requests=number,
        )
        for number in range(rows)
    ]
    # A house of few keys has some of them twice.
    RefusedCount.objects.bulk_create(counts, ignore_conflicts=True)
    RefusedRequest.objects.bulk_create(
        RefusedRequest(
            id=uuid4(),
            organization=house,
            at=now - timedelta(minutes=number),
            spender_id=spenders[number % len(spenders)].pk,
            holder_id=spenders[number % len(spenders)].holder_id or 0,
            code="budget_exceeded",
            status=402,
            message="402: the key may spend 5 credits a day.",
            operation="chat",
            model="openai/gpt-4o",
        )
        for number in range(min(calls_count, refused.LATEST * len(spenders)))
    )


def _member(organization: Organization, email: str, number: int) -> Membership:
    user = make_user(email)
    return members.add(organization, user, ROLES[number % len(ROLES)], actor=OPERATOR)


def _key(project: Project, holder: Holder, number: int) -> ApiKey:
    return keys.issue(project, f"key {number}", actor=OPERATOR, holder=holder)[0]


def _objects(
    house: Organization, owner: User, key: ApiKey, people: list[Membership], robot: Any
) -> dict[str, object]:
    """One of each kind that a URL may name."""
    actor = actor_of(owner)
    everybody = Subject(Level.ORGANIZATION)
    budget_id = make_budget(house, everybody, 10**7, window=Window.MONTH)
    soon = timezone.now() + timedelta(days=1)
    more: dict[str, Any] = {"until": soon, "reason": "launch week"}
    view = saved_views.save(house, "By model", "", is_shared=True, actor=actor)
    address = f"guest@{house.slug}.example.com"
    invited, token = invitations.invite(house, address, Role.VIEWER, actor=actor)
    bought = make_paid(house, buyer_name="House, Ltd")
    return {
        "top-up": bought.public_id,
        "order": bought.id,
        **give_endpoints(house, "Receiver"),
        "slug": house.slug,
        "key": key.pk,
        "project": key.project_id,
        "member": people[0].pk,
        "service account": robot.pk,
        "saved view": view.pk,
        "month": f"{timezone.now():%Y-%m}",
        "invitation": invited.pk,
        "invitation token": token,
        "budget": budget_id,
        "raise": budgets.raise_limit(house, budget_id, 5, actor=OPERATOR, **more).pk,
        "raise request": budgets.ask(
            house, budget_id, 5, actor=actor_of(people[0].user), **more
        ).pk,
        "call": f"req_{make_call(key)}",
    }
