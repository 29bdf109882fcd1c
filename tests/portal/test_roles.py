"""The table of rights, written out once more: a change to it must be meant."""

from __future__ import annotations

import pytest

from portal.models import Role
from portal.tenants import policy, roles
from portal.tenants.roles import Permission

# permission: owner, admin, developer, billing, viewer
EXPECTED = {
    Permission.SEE_USAGE: (1, 1, 0, 1, 1),
    Permission.SEE_OWN_USAGE: (1, 1, 1, 1, 1),
    Permission.SEE_MONEY: (1, 1, 0, 1, 0),
    Permission.BUY_CREDITS: (1, 0, 0, 1, 0),
    Permission.SEE_KEY_NAMES: (1, 1, 1, 1, 0),
    Permission.SEE_OWN_KEYS: (1, 1, 1, 0, 0),
    Permission.SEE_ALL_KEYS: (1, 1, 0, 0, 0),
    Permission.CREATE_KEYS: (1, 1, 1, 0, 0),
    Permission.REVOKE_ANY_KEY: (1, 1, 0, 0, 0),
    Permission.SEE_MEMBERS: (1, 1, 0, 1, 0),
    Permission.MANAGE_MEMBERS: (1, 1, 0, 0, 0),
    Permission.MANAGE_OWNERS: (1, 0, 0, 0, 0),
    Permission.MANAGE_PROJECTS: (1, 1, 0, 0, 0),
    Permission.MANAGE_SERVICE_ACCOUNTS: (1, 1, 0, 0, 0),
    Permission.MANAGE_BUDGETS: (1, 1, 0, 1, 0),
    Permission.MANAGE_DOCUMENTS: (1, 1, 0, 1, 0),
    Permission.MANAGE_ORGANIZATION: (1, 1, 0, 0, 0),
    Permission.MANAGE_SECURITY: (1, 0, 0, 0, 0),
    Permission.MANAGE_WEBHOOKS: (1, 1, 0, 0, 0),
    Permission.MANAGE_ALERTS: (1, 1, 0, 1, 0),
    Permission.SEE_AUDIT: (1, 1, 0, 0, 0),
    Permission.SEE_PRICES: (1, 1, 1, 1, 1),
    Permission.SEE_JOBS: (1, 1, 0, 0, 1),
}


@pytest.mark.parametrize("permission", Permission)
def test_who_may_what(permission: Permission) -> None:
    found = tuple(int(roles.may(role, permission)) for role in Role)
    assert found == EXPECTED[permission]


def test_an_unknown_role_may_nothing() -> None:
    assert not any(roles.may("root", permission) for permission in Permission)


@pytest.mark.parametrize(
    ("assigner", "touched", "allowed"),
    [
        (Role.OWNER, [Role.OWNER], True),
        (Role.ADMIN, [Role.ADMIN], True),
        (Role.ADMIN, [Role.OWNER], False),
        (Role.ADMIN, [Role.OWNER, Role.VIEWER], False),
        (Role.DEVELOPER, [Role.VIEWER], False),
        (Role.BILLING, [Role.BILLING], False),
    ],
)
def test_owners_are_made_and_unmade_by_owners(
    assigner: Role, touched: list[Role], allowed: bool
) -> None:
    assert policy.may_assign(assigner, *touched) is allowed
