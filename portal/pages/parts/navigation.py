"""What the navigation links to, in groups: one line a page.

Only what the person may open is shown: nobody is shown a link that answers 404.
"""

from __future__ import annotations

from typing import NamedTuple

from django.urls import reverse

from portal.tenants.roles import Permission
from portal.tenants.tenancy import Tenant

# The rights of which one is enough to open a page.
OVERVIEW = (Permission.SEE_USAGE, Permission.SEE_OWN_USAGE)
USAGE = OVERVIEW
KEYS = (Permission.SEE_ALL_KEYS, Permission.SEE_OWN_KEYS)
BUDGETS = (
    Permission.MANAGE_BUDGETS,
    Permission.SEE_USAGE,
    Permission.SEE_OWN_USAGE,
)
PRICES = (Permission.SEE_PRICES,)
MONEY = (Permission.SEE_MONEY,)
EXPORTS = (Permission.SEE_USAGE, Permission.SEE_MONEY)
JOBS = (Permission.SEE_JOBS, Permission.SEE_OWN_KEYS)
SERVICE_ACCOUNTS = (Permission.MANAGE_SERVICE_ACCOUNTS,)
SETTINGS = (Permission.MANAGE_ORGANIZATION,)
SECURITY = (Permission.MANAGE_SECURITY,)
WEBHOOKS = (Permission.MANAGE_WEBHOOKS,)
ALERTS = (Permission.MANAGE_ALERTS,)
MEMBERS = (Permission.SEE_MEMBERS,)
PROJECTS = OVERVIEW
AUDIT = (Permission.SEE_AUDIT, Permission.SEE_MONEY)

# Name of the URL, which is also the folder of its templates; label; rights.
Line = tuple[str, str, tuple[Permission, ...]]
GROUPS: tuple[tuple[str, tuple[Line, ...]], ...] = (
    (
        "See",
        (
            ("overview", "Overview", OVERVIEW),
            ("activity", "Activity", USAGE),
            ("usage", "Usage", USAGE),
        ),
    ),
    (
        "Build",
        (
            ("keys", "API keys", KEYS),
            ("projects", "Projects", PROJECTS),
            ("jobs", "Jobs", JOBS),
            ("webhooks", "Webhooks", WEBHOOKS),
            ("models", "Models and prices", PRICES),
        ),
    ),
    (
        "Spend",
        (
            ("budgets", "Budgets", BUDGETS),
            ("alerts", "Alerts", ALERTS),
            ("credits", "Credits", MONEY),
            ("top-up", "Buy credits", MONEY),
            ("ledger", "Ledger", MONEY),
            ("explain", "Explain my balance", MONEY),
            ("statements", "Statements", MONEY),
            ("exports", "Exports", EXPORTS),
        ),
    ),
    (
        "Organization",
        (
            ("members", "Members", MEMBERS),
            ("security", "Security", SECURITY),
            ("service-accounts", "Service accounts", SERVICE_ACCOUNTS),
            ("settings", "Settings", SETTINGS),
            ("audit", "Audit", AUDIT),
        ),
    ),
)


# Behind `g`, on a keyboard; the first letter that is free.
SHORTCUTS = {
    "overview": "o",
    "activity": "a",
    "usage": "u",
    "keys": "k",
    "projects": "p",
    "jobs": "j",
    "models": "m",
    "budgets": "b",
    "credits": "c",
    "top-up": "f",
    "ledger": "l",
    "explain": "e",
    "members": "t",
    "security": "y",
    "audit": "d",
    "settings": "s",
}


class Link(NamedTuple):
    """One line of the navigation; `shortcut` is typed after a `g`."""

    label: str
    url: str
    is_current: bool
    shortcut: str


class Group(NamedTuple):
    """Links under one heading."""

    label: str
    links: list[Link]


def links_for(tenant: Tenant, current: str) -> list[Group]:
    """The groups that hold anything for this person; `current` is a URL's name."""
    slug = tenant.organization.slug
    groups = [
        Group(
            label,
            [
                _link(name, words, slug, current)
                for name, words, rights in lines
                if tenant.may(*rights)
            ],
        )
        for label, lines in GROUPS
    ]
    return [group for group in groups if group.links]


def _link(name: str, label: str, slug: str, current: str) -> Link:
    url = reverse(name, args=[slug])
    return Link(label, url, name == current, SHORTCUTS.get(name, ""))
