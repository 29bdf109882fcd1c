"""Organizations side by side, each with one of everything, under names that attack.

What belongs to one has its mark in every name, so that a page of another's that shows
any of it is found; and every name is markup, a formula and a template at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from billing import holds
from billing.budgets import Subject
from billing.models.budget import Level
from billing.values.orders import CREDIT, Place, Settle, Usage
from portal.models import KeySecret, Organization, Role, User
from portal.tenants import (
    budgets,
    invitations,
    members,
    organizations,
    projects,
    saved_views,
    service_accounts,
)
from tests.support.cast import (
    OPERATOR,
    actor_of,
    make_key,
    make_organization,
    make_user,
)
from tests.support.portal import documented
from tests.support.portal.bought import make_paid
from tests.support.portal.limited import make_budget, tomorrow
from tests.support.portal.noticed import give_endpoints

# Of 100 characters at most, with the mark.
ATTACK = """=1+1 "'><script>alert(1)</script><x-pwned onclick=1>{{7*7}}"""
ATTACK_MODEL = """=1+1"'><script>x</script><x-pwned>"""


@dataclass
class Neighbour:
    """An organization, its people by role, and one of each kind of object."""

    organization: Organization
    mark: str
    people: dict[str, User] = field(default_factory=dict)
    objects: dict[str, object] = field(default_factory=dict)

    def named(self, what: str = "") -> str:
        return f"{ATTACK} {self.mark} {what}".strip()


def make_neighbour(mark: str) -> Neighbour:
    """`mark` is in its names, and its slug."""
    owner = make_user(f"owner@{mark}.example")
    organization = make_organization(mark, owner)
    made = Neighbour(organization, mark, {"owner": owner})
    organizations.change(organization, name=made.named(), actor=actor_of(owner))
    organization.refresh_from_db()
    for role in (Role.ADMIN, Role.DEVELOPER, Role.BILLING, Role.VIEWER):
        person = make_user(f"{role}@{mark}.example")
        members.add(organization, person, role, actor=actor_of(owner))
        made.people[role.value] = person
    _give_objects(made)
    return made


def _give_objects(made: Neighbour) -> None:
    organization, owner = made.organization, made.people["owner"]
    actor = actor_of(owner)
    project = projects.create(organization, made.named("project"), actor=actor)
    robot = service_accounts.create(organization, made.named("robot"), actor=actor)
    key, _ = make_key(organization, owner, made.named("key"))
    view = saved_views.save(
        organization, made.named("view"), "", is_shared=True, actor=actor
    )
    email, why = f"guest@{made.mark}.example", made.named("why")
    invited, token = invitations.invite(organization, email, Role.VIEWER, actor=actor)
    limited = Subject(Level.PROJECT, project_id=project.unit_id)
    budget_id = make_budget(organization, limited)
    until, asker = tomorrow(), actor_of(made.people["developer"])
    asked = budgets.ask(
        organization, budget_id, 5, until=until, reason=why, actor=asker
    )
    raised = budgets.raise_limit(
        organization, budget_id, 7, until=until, reason=why, actor=OPERATOR
    )
    request_id = make_attacking_call(made, key.spender_id)
    member = organization.memberships.get(user=made.people["viewer"])
    bought = make_paid(organization, buyer_name=made.named("buyer"))
    made.objects = {
        "slug": organization.slug,
        "key": key.pk,
        "secret": KeySecret.objects.filter(key=key).latest("id").pk,
        "project": project.pk,
        "service account": robot.pk,
        "saved view": view.pk,
        "invitation": invited.pk,
        "invitation token": token,
        "member": member.pk,
        "budget": budget_id,
        "raise": raised.pk,
        "raise request": asked.pk,
        "call": f"req_{request_id}",
        "job": f"job_{request_id}",
        **documented.objects_of(organization, actor),
        "top-up": bought.public_id,
        "order": bought.id,
        **give_endpoints(organization, made.named("hook")),
        "passkey": 10**6,
        "identity provider": "nobody",
    }


def make_attacking_call(made: Neighbour, spender_id: int) -> str:
    """A call whose model, client and session are markup; its hold's id."""
    account_id = made.organization.account_id
    place = Place(
        hold_id=uuid4().hex,
        account_id=account_id,
        spender_id=spender_id,
        bound_micros=2 * CREDIT,
        operation="chat.completions",
        model=f"{ATTACK_MODEL}{made.mark}",
        due_at=timezone.now() + timedelta(minutes=10),
        client=f"{ATTACK_MODEL}{made.mark}"[:64],
        client_version=ATTACK_MODEL[:32],
        session=f"{ATTACK_MODEL}{made.mark}"[:64],
    )
    [placed] = holds.commit([place])
    assert not isinstance(placed, Exception), placed
    usage = Usage("upstream", CREDIT, prompt_tokens=5, completion_tokens=7)
    holds.commit([Settle(place.hold_id, account_id, usage)])
    return place.hold_id


# --- routes --------------------------------------------------------------------------

# What stands before an argument in a URL, and its name: the kind of object it is. An
# argument that is not here fails the matrix.
KINDS = {
    "o/slug": "slug",
    "leave/slug": "slug",
    "webhooks/endpoint_id": "webhook",
    "deliveries/delivery_id": "delivery",
    "chats/chat_id": "chat",
    "keys/key_id": "key",
    "secrets/secret_id": "secret",
    "projects/pk": "project",
    "members/pk": "member",
    "members/member_pk": "member",
    "invitations/pk": "invitation",
    "invitations/token": "invitation token",
    "service-accounts/account_id": "service account",
    "views/view_id": "saved view",
    "activity/request_id": "call",
    "back/topup_id": "top-up",
    "top-up/order_id": "order",
    "budgets/budget_id": "budget",
    "raises/raise_id": "raise",
    "requests/request_id": "raise request",
    "jobs/job_id": "job",
    "passkeys/pk": "passkey",
    "statements/month": "month",
    "receipts/number": "receipt",
    "exports/export_id": "export",
    "schedules/schedule_id": "schedule",
    "sso/provider_id": "identity provider",
}
ARGUMENT = re.compile(r"([\w-]+)/<\w+:(\w+)>")
MISSING: dict[str, object] = {
    "webhook": uuid4(),
    "chat": uuid4(),
    "order": uuid4(),
    "slug": "nowhere",
    "key": uuid4(),
    "invitation token": "x" * 43,
    "call": f"req_{uuid4().hex}",
    "job": f"job_{uuid4().hex}",
    "top-up": f"topup_{uuid4().hex}",
    "month": "1999-01",
    "export": uuid4(),
    "identity provider": "nowhere",
}


@dataclass(frozen=True)
class Route:
    """A name of a URL, and the kinds of its arguments."""

    name: str
    kinds: dict[str, str]  # of each argument, by its name

    @property
    def is_of_an_organization(self) -> bool:
        return self.kinds.get("slug") == "slug"

    def url(self, objects: dict[str, object]) -> str:
        found = {
            name: objects.get(kind, MISSING.get(kind, 10**7))
            for name, kind in self.kinds.items()
        }
        return reverse(self.name, kwargs=found)


def all_routes() -> list[Route]:
    """Each name of the URL list, once. Raises: KeyError for an unknown argument."""
    found: dict[str, Route] = {}
    for pattern, text in _patterns(get_resolver().url_patterns, ""):
        arguments = ARGUMENT.findall(text)
        kinds = {name: KINDS[f"{segment}/{name}"] for segment, name in arguments}
        assert pattern.name, f"{text} has no name"
        assert set(kinds) == set(pattern.pattern.converters), text
        found[pattern.name] = Route(pattern.name, kinds)
    return list(found.values())


def _patterns(
    patterns: list[URLPattern | URLResolver], before: str
) -> list[tuple[URLPattern, str]]:
    found: list[tuple[URLPattern, str]] = []
    for pattern in patterns:
        text = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += _patterns(pattern.url_patterns, text)
        else:
            found.append((pattern, text))
    return found
