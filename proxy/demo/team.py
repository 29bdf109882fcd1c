"""A team for the demonstration: people of every role, projects, keys, limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password

from billing.budgets import Subject
from billing.models import UsageRecord
from billing.models.budget import Level, Window
from billing.reports.balance import balance_of
from billing.values import clock
from billing.values.orders import CREDIT
from portal.models import ApiKey, Membership, Organization, Project, Role, User
from portal.tenants import audit, budgets, keys, members, projects, service_accounts
from portal.tenants.keys import Holder

_WEEK = timedelta(days=7)
PEOPLE = (
    ("ada", "Ada Okafor", Role.ADMIN),
    ("ben", "Ben Sato", Role.DEVELOPER),
    ("chen", "Chen Wei", Role.DEVELOPER),
    ("dora", "Dora Lindqvist", Role.DEVELOPER),
    ("bea", "Bea Moreau", Role.BILLING),
    ("vic", "Vic Adler", Role.VIEWER),
)
PROJECTS = ("Search", "Support bot", "Research")
ROBOTS = ("CI", "search-backend")
# Name of the key, its project, who holds it.
KEYS = (
    ("ben-laptop", "Search", "ben"),
    ("search-prod", "Search", "search-backend"),
    ("support-widget", "Support bot", "dora"),
    ("chen-notebook", "Research", "chen"),
    ("nightly-eval", "Research", "CI"),
    ("agents", "Support bot", "dora"),
)


@dataclass
class Team:
    """Who and what there is, by name."""

    organization: Organization
    actor: audit.Actor
    people: dict[str, Membership] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    robots: dict[str, Holder] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)


def make(organization: Organization, actor: audit.Actor) -> Team:
    """As at the clock's time; what is there already is taken."""
    team = Team(organization, actor)
    for name, full, role in PEOPLE:
        team.people[name] = _member(team, f"{name}@example.com", full, role)
    for name in PROJECTS:
        team.projects[name] = projects.create(organization, name, actor=actor)
    for name in ROBOTS:
        team.robots[name] = service_accounts.create(organization, name, actor=actor)
    for name, project, holder in KEYS:
        held_by = team.robots.get(holder) or team.people[holder]
        team.keys[name] = keys.issue(
            team.projects[project], name, actor=actor, holder=held_by
        )[0]
    _date_back(team, clock.now())
    return team


def set_passwords(organization: Organization, password: str) -> list[tuple[str, str]]:
    """One for all of them: hashing takes its time. Their addresses and roles."""
    addresses = [f"{name}@example.com" for name, _, _ in PEOPLE]
    found = User.objects.filter(email__in=addresses)
    found.update(password=make_password(password))
    members = organization.memberships.filter(user__in=found).order_by("pk")
    return list(members.values_list("user__email", "role"))


def limit(team: Team) -> None:
    """A limit that is nearly used up, one that is not, and somebody who asks."""
    research = team.projects["Research"]
    spent = _spent_this_month(team, research)
    subject = Subject(Level.PROJECT, project_id=research.unit_id)
    tight = _set(team, subject, spent * 25 // 23)
    roomy = balance_of(team.organization.account_id).available_micros * 2
    _set(team, Subject(Level.ORGANIZATION), max(roomy, CREDIT))
    chen = team.people["chen"]
    budgets.ask(
        team.organization,
        tight,
        200 * CREDIT,
        until=clock.now() + _WEEK,
        reason="Two more evaluation rounds before the release",
        actor=audit.Actor(chen.user, chen.user.email),
    )


def _set(team: Team, subject: Subject, micros: int) -> int:
    return budgets.set_limit(
        team.organization,
        subject,
        Window.MONTH,
        max(micros, CREDIT),
        counts_spend_so_far=True,
        actor=team.actor,
    ).id


def _spent_this_month(team: Team, project: Project) -> int:
    first = clock.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    found = UsageRecord.objects.filter(
        account_id=team.organization.account_id,
        project_id=project.unit_id,
        settled_at__gte=first,
    )
    return sum(found.values_list("charged_micros", flat=True))


def _member(team: Team, email: str, name: str, role: Role) -> Membership:
    user = User.objects.filter(email=email).first()
    if user is None:
        user = User.objects.create_user(email, name=name)
    known = team.organization.memberships.filter(user=user).first()
    return known or members.add(team.organization, user, role, actor=team.actor)


def _date_back(team: Team, moment: datetime) -> None:
    """These rows are stamped by the machine's clock, whatever the ledger's says."""
    of_team = {"organization": team.organization}
    for rows in (
        Membership.objects.filter(**of_team),
        Project.objects.filter(**of_team),
        ApiKey.objects.filter(**of_team),
        team.organization.service_accounts.all(),
        Organization.objects.filter(pk=team.organization.pk),
    ):
        rows.update(created_at=moment)
