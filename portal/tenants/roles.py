"""The one table of rights: role → permissions. `policy.py` decides by it."""

from __future__ import annotations

from enum import StrEnum

from portal.models import Role


class Permission(StrEnum):
    """Something a member may do or see in an organization."""

    SEE_USAGE = "see_usage"  # of the whole organization
    SEE_OWN_USAGE = "see_own_usage"  # of the keys one created
    SEE_MONEY = "see_money"  # balance, held, grants, ledger
    BUY_CREDITS = "buy_credits"  # and say that they are bought automatically
    SEE_KEY_NAMES = "see_key_names"
    SEE_OWN_KEYS = "see_own_keys"
    SEE_ALL_KEYS = "see_all_keys"
    CREATE_KEYS = "create_keys"
    REVOKE_ANY_KEY = "revoke_any_key"
    SEE_MEMBERS = "see_members"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_OWNERS = "manage_owners"
    MANAGE_PROJECTS = "manage_projects"
    MANAGE_SERVICE_ACCOUNTS = "manage_service_accounts"  # and their keys
    MANAGE_BUDGETS = "manage_budgets"  # but never one's own
    MANAGE_ORGANIZATION = "manage_organization"  # its name, what is kept for it
    MANAGE_SECURITY = "manage_security"  # how its members must sign in
    MANAGE_WEBHOOKS = "manage_webhooks"  # where programs are told of events
    MANAGE_ALERTS = "manage_alerts"  # of what people are told, and where
    MANAGE_DOCUMENTS = "manage_documents"  # close months, schedule exports
    SEE_AUDIT = "see_audit"
    SEE_PRICES = "see_prices"
    SEE_JOBS = "see_jobs"  # of the whole organization; one's own by SEE_OWN_USAGE


_USAGE = frozenset({Permission.SEE_USAGE, Permission.SEE_OWN_USAGE})
_OWN_KEYS = frozenset(
    {Permission.SEE_KEY_NAMES, Permission.SEE_OWN_KEYS, Permission.CREATE_KEYS}
)
_OWNERS_ONLY = frozenset({Permission.MANAGE_OWNERS, Permission.MANAGE_SECURITY})
# What an owner or a person of the accounts department does, and no admin.
_NO_ADMIN = _OWNERS_ONLY | {Permission.BUY_CREDITS}
_MONEY = frozenset(
    {
        Permission.SEE_MONEY,
        Permission.BUY_CREDITS,
        Permission.SEE_KEY_NAMES,
        Permission.SEE_MEMBERS,
        Permission.MANAGE_BUDGETS,
        Permission.MANAGE_ALERTS,
        Permission.MANAGE_DOCUMENTS,
    }
)

PERMISSIONS: dict[str, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset(Permission) - _NO_ADMIN,
    Role.DEVELOPER: _OWN_KEYS | {Permission.SEE_OWN_USAGE, Permission.SEE_PRICES},
    Role.BILLING: _USAGE | _MONEY | {Permission.SEE_PRICES},
    Role.VIEWER: _USAGE | {Permission.SEE_JOBS, Permission.SEE_PRICES},
}


def with_permission(permission: Permission) -> list[str]:
    """The roles that have it."""
    return [role for role in PERMISSIONS if may(role, permission)]


def may(role: str, permission: Permission) -> bool:
    """An unknown role may nothing."""
    return permission in PERMISSIONS.get(role, frozenset())
