"""Every operation that changes something: how it is done, and what the audit trail says
of it. A table for `tests/portal/test_audit_operations.py`."""

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
from portal.models import ApiKey, Membership, Organization, Project, Role, User
from portal.operator import bounds, corrections, doubts, late_words
from portal.operator.corrections import Decision
from portal.tenants import (
    budgets,
    key_format,
    keys,
    members,
    organizations,
    projects,
    rules,
    runs,
    service_accounts,
)
from portal.tenants.runs import Asking, Wanted
from tests.support.cast import (
    OPERATOR,
    actor_of,
    make_call,
    make_key,
    make_member,
    make_user,
)
from tests.support.portal.doubted import make_call as make_running_call
from tests.support.portal.doubted import make_doubt
from tests.support.portal.learned import make_lesson, make_pause
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
        return Asking(self.key.id, request_id, "digest" if request_id else "")

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
ACTS: dict[str, Act] = {
    # --- tenants ---
    "budgets.set_limit": Act(
        lambda it: lambda: make_budget(it.organization, actor=it.actor),
        ("budget.set",),
    ),
    "budgets.remove": Act(with_budget(budgets.remove), ("budget.remove",)),
    "budgets.raise_limit": Act(
        with_budget(budgets.raise_limit, 5, **UNTIL), ("budget.raise",), True
    ),
    "budgets.end_raise": Act(raised, ("budget.raise_end",)),
    "budgets.ask": Act(with_budget(budgets.ask, 5, **UNTIL), ("raise_request.create",)),
    "budgets.grant": Act(
        with_it(asked, budgets.grant), ("budget.raise", "raise_request.granted")
    ),
    "budgets.refuse": Act(
        with_it(asked, budgets.refuse, reason="no"), ("raise_request.refused",)
    ),
    "keys.issue": Act(
        lambda it: lambda: keys.issue(it.default, "new", actor=it.actor),
        ("api_key.create",),
        True,
    ),
    "keys.rotate": Act(
        lambda it: lambda: keys.rotate(it.key, HOUR, actor=it.actor),
        ("api_key.rotate",),
    ),
    "keys.revoke": Act(
        lambda it: lambda: keys.revoke(it.key, actor=it.actor), ("api_key.revoke",)
    ),
    "keys.close": Act(
        lambda it: lambda: keys.close(it.key, actor=it.actor), ("api_key.revoke",)
    ),
    "members.add": Act(added, ("member.add",)),
    "members.change_role": Act(
        with_it(World.member, members.change_role, Role.ADMIN),
        ("member.change_role",),
    ),
    "members.disable": Act(with_it(World.member, members.disable), ("member.disable",)),
    "members.enable": Act(with_it(disabled, members.enable), ("member.enable",)),
    "members.remove": Act(
        with_it(with_keys, members.remove),
        ("api_key.revoke", "api_key.revoke", "member.remove"),
    ),
    "organizations.create": Act(
        lambda it: lambda: organizations.create("X", owner=it.owner, actor=OPERATOR),
        ("organization.create",),
        True,
    ),
    "organizations.change": Act(
        lambda it: (
            lambda: organizations.change(
                it.organization,
                name="Rocket",
                time_zone="Asia/Tokyo",
                stores_replies=False,
                actor=it.actor,
            )
        ),
        ("organization.change",),
    ),
    "organizations.suspend": Act(
        lambda it: (
            lambda: organizations.suspend(
                it.organization, reason="unpaid", actor=OPERATOR
            )
        ),
        ("organization.suspend",),
    ),
    "organizations.reopen": Act(suspended, ("organization.reopen",)),
    "projects.create": Act(
        lambda it: lambda: projects.create(it.organization, "New", actor=it.actor),
        ("project.create",),
    ),
    "projects.rename": Act(
        with_it(World.project, projects.rename, "Find"), ("project.rename",)
    ),
    "projects.archive": Act(
        with_it(World.project, projects.archive), ("project.archive",)
    ),
    "projects.restore": Act(with_it(archived, projects.restore), ("project.restore",)),
    "rules.set_rules": Act(
        lambda it: (
            lambda: rules.set_rules(
                it.organization, requests_per_minute=5, actor=it.actor
            )
        ),
        ("rules.set",),
    ),
    "runs.open_run": Act(
        lambda it: partial(open_run, it, uuid.uuid4()),
        ("envelope.open",),
    ),
    "runs.add_credits": Act(more_for_a_run, ("envelope.add_credits",)),
    "runs.close": Act(
        lambda it: partial(runs.close, it.run(), asking=it.asking()),
        ("envelope.close",),
    ),
    "service_accounts.create": Act(
        lambda it: (
            lambda: service_accounts.create(it.organization, "New", actor=it.actor)
        ),
        ("service_account.create",),
    ),
    "service_accounts.rename": Act(
        with_it(World.robot, service_accounts.rename, "CD"),
        ("service_account.rename",),
    ),
    "service_accounts.disable": Act(
        with_it(World.robot, service_accounts.disable), ("service_account.disable",)
    ),
    "service_accounts.enable": Act(
        with_it(disabled_robot, service_accounts.enable), ("service_account.enable",)
    ),
    # --- operator ---
    "bounds.release": Act(
        by_operator(lambda it: make_pause(it.organization).id, bounds.release),
        ("bounds.release",),
    ),
    "bounds.forget": Act(
        by_operator(lambda it: make_lesson(it.organization).id, bounds.forget),
        ("bounds.forget",),
    ),
    "corrections.credit": Act(decided(corrections.credit, CREDIT), ("credits.credit",)),
    "corrections.debit": Act(decided(corrections.debit, CREDIT), ("credits.debit",)),
    "corrections.clawback": Act(
        decided(corrections.clawback, CREDIT), ("credits.clawback",)
    ),
    "corrections.write_off": Act(owing, ("debt.write_off",)),
    "corrections.reverse": Act(reversed_grant, ("grant.reverse",)),
    "corrections.refund": Act(
        by_operator(lambda it: UUID(make_call(it.key)), corrections.refund, CREDIT),
        ("call.refund",),
    ),
    "doubts.settle": Act(
        by_operator(World.doubt, doubts.settle, CREDIT), ("doubt.settle",)
    ),
    "doubts.release": Act(by_operator(World.doubt, doubts.release), ("doubt.release",)),
    "late_words.charge": Act(
        by_operator(World.word, late_words.charge), ("late_word.charge",)
    ),
    "late_words.dismiss": Act(
        by_operator(World.word, late_words.dismiss), ("late_word.dismiss",)
    ),
    "late_words.charge_call": Act(
        by_operator(
            lambda it: UUID(make_call(it.key)), late_words.charge_call, 4 * CREDIT
        ),
        ("call.charge",),
    ),
    "late_words.acknowledge": Act(
        by_operator(released, late_words.acknowledge),
        ("doubt.acknowledge",),
    ),
}
# These take part in operations above, and write nothing by themselves.
PARTS = {
    *("keys.holder_for", "keys.store", "members.set_disabled"),
    *("projects.record", "service_accounts.record", "service_accounts.set_disabled"),
    *("budgets.refuse_own_windows", "audit.record", "audit.record_of_person"),
    *("runs.look", "runs.page"),
}
