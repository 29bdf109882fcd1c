"""The one table of rights: role → permissions. `policy.py` decides by it."""

from __future__ import annotations

from enum import StrEnum

from portal.models import Role


class Permission(StrEnum):
    """Something a member may do or see in an organization."""

    SEE_USAGE = "see_usage"  # of the whole organization
    SEE_OWN_USAGE = "see_own_usage"  # of the keys one created
    SEE_MONEY = "see_money"  # balance, held, grants, ledger
    SEE_KEY_NAMES = "see_key_names"
    SEE_OWN_KEYS = "see_own_keys"
    SEE_ALL_KEYS = "see_all_keys"
    CREATE_KEYS = "create_keys"
    REVOKE_ANY_KEY = "revoke_any_key"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_OWNERS = "manage_owners"
    MANAGE_PROJECTS = "manage_projects"
    MANAGE_SERVICE_ACCOUNTS = "manage_service_accounts"  # and their keys
    MANAGE_BUDGETS = "manage_budgets"  # but never one's own
    MANAGE_ORGANIZATION = "manage_organization"  # its name, what is kept for it


_USAGE = frozenset({Permission.SEE_USAGE, Permission.SEE_OWN_USAGE})
_OWN_KEYS = frozenset(
    {Permission.SEE_KEY_NAMES, Permission.SEE_OWN_KEYS, Permission.CREATE_KEYS}
)

PERMISSIONS: dict[str, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset(Permission) - {Permission.MANAGE_OWNERS},
    Role.DEVELOPER: _OWN_KEYS | {Permission.SEE_OWN_USAGE},
    Role.BILLING: _USAGE | {Permission.SEE_MONEY, Permission.SEE_KEY_NAMES},
    Role.VIEWER: _USAGE,
}


def may(role: str, permission: Permission) -> bool:
    """An unknown role may nothing."""
    return permission in PERMISSIONS.get(role, frozenset())
