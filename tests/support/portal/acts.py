"""Every operation of a tenant's that changes something: how it is done, and what the
audit trail says of it. A table for `tests/portal/test_audit_operations.py`."""

from __future__ import annotations

import uuid
from functools import partial

from portal.models import (
    Role,
)
from portal.tenants import (
    budgets,
    key_edits,
    key_rights,
    keys,
    members,
    organizations,
    projects,
    rules,
    runs,
    service_accounts,
)
from tests.support.cast import (
    OPERATOR,
)
from tests.support.portal.limited import make_budget, tomorrow
from tests.support.portal.worlds import (
    HOUR,
    UNTIL,
    Act,
    World,
    added,
    archived,
    asked,
    disabled,
    disabled_key,
    disabled_robot,
    more_for_a_run,
    open_run,
    raised,
    replaced_secret,
    suspended,
    with_budget,
    with_it,
    with_keys,
)

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
    "key_edits.rename": Act(
        lambda it: lambda: key_edits.rename(it.key, "desk", actor=it.actor),
        ("api_key.rename",),
    ),
    "key_edits.set_expiry": Act(
        lambda it: partial(key_edits.set_expiry, it.key, tomorrow(), actor=it.actor),
        ("api_key.set_expiry",),
    ),
    "key_edits.disable": Act(
        lambda it: lambda: key_edits.disable(it.key, actor=it.actor),
        ("api_key.disable",),
    ),
    "key_edits.enable": Act(
        with_it(disabled_key, key_edits.enable), ("api_key.enable",)
    ),
    "key_edits.end_secret": Act(
        with_it(replaced_secret, key_edits.end_secret), ("api_key.end_secret",)
    ),
    "key_rights.give": Act(
        lambda it: partial(
            key_rights.give,
            it.key,
            sees_balance=True,
            sees_project=False,
            actor=it.actor,
        ),
        ("api_key.rights",),
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
}

# These take part in operations above, and write nothing by themselves.
PARTS = {
    *("keys.holder_for", "keys.issue_to", "keys.store", "members.set_disabled"),
    *("projects.record", "service_accounts.record", "service_accounts.set_disabled"),
    *("budgets.refuse_own_windows", "audit.record", "audit.record_of_person"),
    *("runs.look", "runs.page", "budgets.store_cap", "invitations.person_of"),
    "topups.sweep",  # the worker's own: what it finds is written where it is found
    *("members.withdraw_invitations", "rules.put"),
}
