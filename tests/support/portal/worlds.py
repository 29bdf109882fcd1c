"""An organization in which something is done, and what is there beforehand."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.utils import timezone

from billing import holds
from billing.models import Correction, Grant
from billing.values.orders import CREDIT, Release, Settle, Usage
from portal.models import (
    ApiKey,
    KeySecret,
    Membership,
    Organization,
    Project,
    Role,
    User,
)
from portal.operator import corrections, doubts
from portal.operator.corrections import Decision
from portal.tenants import (
    budgets,
    key_edits,
    key_format,
    keys,
    members,
    organizations,
    projects,
    runs,
    service_accounts,
)
from portal.tenants.runs import Asking, Wanted
from tests.support.cast import (
    OPERATOR,
    actor_of,
    make_key,
    make_member,
    make_user,
)
from tests.support.portal.doubted import make_call as make_running_call
from tests.support.portal.doubted import make_doubt
from tests.support.portal.limited import make_budget, make_raise_request, tomorrow

HOUR = timedelta(hours=1)

Do = Callable[[], Any]


@dataclass
class World:
    """An organization to change, and its owner who does."""

    organization: Organization
    owner: User
    key: ApiKey

    @property
    def actor(self) -> Any:
        return actor_of(self.owner)

    @property
    def default(self) -> Project:
        return projects.default_of(self.organization)

    def member(self, role: Role = Role.VIEWER) -> Membership:
        user = make_member(self.organization, "new-member@example.com", role)
        return self.organization.memberships.get(user=user)

    def project(self) -> Project:
        return projects.create(self.organization, "Search", actor=OPERATOR)

    def robot(self) -> Any:
        return service_accounts.create(self.organization, "CI", actor=OPERATOR)

    def doubt(self) -> UUID:
        return UUID(make_doubt(self.key)[4:])

    def word(self) -> UUID:
        """A price that came after the call's end."""
        hold_id = make_running_call(self.key)[4:]
        account_id = self.organization.account_id
        usage = Usage("upstream", 12 * CREDIT, 12 * CREDIT)
        holds.commit([Release(hold_id, account_id, "client_gone")])
        holds.commit([Settle(hold_id, account_id, usage, "late")])
        return Correction.objects.get(hold_id=UUID(hold_id)).id

    def asking(self, request_id: str = "") -> Asking:
        return Asking(self.key.id, 0, request_id, "digest" if request_id else "")

    def run(self) -> UUID:
        envelope_id = uuid.uuid4()
        open_run(self, envelope_id)
        return envelope_id


@dataclass(frozen=True)
class Act:
    """`prepare` gives what is done, and may be done again. `says`: the actions that are
    written down, each with its target. Done again it changes nothing, unless it makes
    `another` each time."""

    prepare: Callable[[World], Do]
    says: tuple[str, ...]
    makes_another: bool = False


def open_run(world: World, envelope_id: UUID) -> Any:
    secret = key_format.derive(envelope_id.bytes)
    wanted = Wanted(5 * CREDIT, timezone.now() + HOUR, "run")
    return runs.open_run(wanted, envelope_id, secret, asking=world.asking())


def more_for_a_run(world: World) -> Do:
    asking = world.asking("the same request")
    return partial(runs.add_credits, world.run(), CREDIT, asking=asking)


def decided(operation: Callable[..., Any], *more: Any) -> Callable[[World], Do]:
    decision = Decision("reference 1", "seen", OPERATOR)
    return lambda it: lambda: operation(it.organization.slug, *more, decision)


def by_operator(
    make: Callable[[World], Any], operation: Callable[..., Any], *more: Any
) -> Callable[[World], Do]:
    def prepare(world: World) -> Do:
        found = make(world)
        return lambda: operation(found, *more, reason="seen", actor=OPERATOR)

    return prepare


def with_it(
    make: Callable[[World], Any],
    operation: Callable[..., Any],
    *more: Any,
    **named: Any,
) -> Callable[[World], Do]:
    """By the owner, on what was made."""

    def prepare(world: World) -> Do:
        found = make(world)
        return lambda: operation(found, *more, **named, actor=world.actor)

    return prepare


def with_budget(
    operation: Callable[..., Any], *more: Any, **named: Any
) -> Callable[[World], Do]:
    def prepare(world: World) -> Do:
        budget = make_budget(world.organization)
        return lambda: operation(
            world.organization, budget, *more, **named, actor=world.actor
        )

    return prepare


def owing(world: World) -> Do:
    decision = Decision("owed", "seen", OPERATOR)
    corrections.clawback(world.organization.slug, 1100 * CREDIT, decision)
    return decided(corrections.write_off, CREDIT)(world)


def reversed_grant(world: World) -> Do:
    grant = Grant.objects.filter(account_id=world.organization.account_id).earliest(
        "id"
    )
    decision = Decision("reference 1", "seen", OPERATOR)
    return lambda: corrections.reverse(grant.id, decision, recovers_spent=False)


def raised(world: World) -> Do:
    found = budgets.raise_limit(
        world.organization,
        make_budget(world.organization),
        5,
        until=tomorrow(),
        reason="launch",
        actor=OPERATOR,
    )
    return lambda: budgets.end_raise(world.organization, found.id, actor=world.actor)


def asked(world: World) -> Any:
    asker = make_member(world.organization, "asker@example.com", Role.DEVELOPER)
    return make_raise_request(world.organization, asker)


def disabled(world: World) -> Membership:
    found = world.member()
    members.disable(found, actor=OPERATOR)
    return found


def archived(world: World) -> Project:
    found = world.project()
    projects.archive(found, actor=OPERATOR)
    return found


def disabled_robot(world: World) -> Any:
    found = world.robot()
    service_accounts.disable(found, actor=OPERATOR)
    return found


def with_keys(world: World) -> Membership:
    """A developer who holds two keys."""
    found = world.member(Role.DEVELOPER)
    for name in ("one", "two"):
        make_key(world.organization, found.user, name)
    return found


def disabled_key(world: World) -> ApiKey:
    key_edits.disable(world.key, actor=OPERATOR)
    return world.key


def replaced_secret(world: World) -> KeySecret:
    keys.rotate(world.key, HOUR, actor=OPERATOR)
    return KeySecret.objects.filter(key=world.key).earliest("id")


def suspended(world: World) -> Do:
    organizations.suspend(world.organization, reason="unpaid", actor=OPERATOR)
    return lambda: organizations.reopen(world.organization, actor=OPERATOR)


def added(world: World) -> Do:
    user = make_user("new-member@example.com")
    return lambda: members.add(world.organization, user, Role.VIEWER, actor=world.actor)


def released(world: World) -> UUID:
    doubt = world.doubt()
    doubts.release(doubt, reason="seen", actor=OPERATOR)
    return doubt


UNTIL: dict[str, Any] = {"until": tomorrow(), "reason": "launch"}
