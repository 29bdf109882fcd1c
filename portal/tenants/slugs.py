"""The addresses of organizations: which are free, and where former ones lead."""

from __future__ import annotations

import re
from collections.abc import Iterable

from portal.models import FormerSlug, Organization
from portal.tenants import names
from portal.tenants.errors import InvalidSlug, SlugTaken

LENGTH_MIN, LENGTH_MAX = 2, names.SLUG_LENGTH_MAX
SHAPE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# Words that are, or may become, pages of everybody, or that would look like the
# operator's own.
RESERVED = frozenset(
    {
        *("about", "abuse", "account", "accounts", "admin", "administrator", "api"),
        *("app", "assets", "auth", "billing", "blog", "contact", "dashboard", "demo"),
        *("docs", "download", "event", "events", "export", "health", "healthz", "help"),
        *("home", "hooks", "internal", "invitation", "invitations", "invite", "jobs"),
        *("join", "keys", "legal", "login", "logout", "mail", "me", "metrics", "mfa"),
        *("models", "new", "none", "null", "o", "oauth", "oidc", "operator", "org"),
        *("organizations", "owner", "pricing", "privacy", "projects"),
        *("public", "readyz", "register", "robots", "root", "sandbox", "saml", "scim"),
        *("search", "security", "settings", "sign-in", "sign-out", "sign-up", "signin"),
        *("signup", "staff", "static", "status", "support", "system", "team", "terms"),
        *("tollgate", "trust", "undefined", "user", "users", "v1", "v2", "webhooks"),
        *("well-known", "www"),
    }
)


def check(slug: str, organization: Organization) -> None:
    """Whether the organization may have it. Raises: InvalidSlug, SlugTaken."""
    if not LENGTH_MIN <= len(slug) <= LENGTH_MAX or not SHAPE.fullmatch(slug):
        raise InvalidSlug(
            f"An address is {LENGTH_MIN} to {LENGTH_MAX} small letters and digits, "
            "with single hyphens between them."
        )
    if slug in RESERVED:
        raise InvalidSlug(f"“{slug}” is reserved: choose another address.")
    others = Organization.objects.exclude(pk=organization.pk).filter(slug=slug)
    former = FormerSlug.objects.exclude(organization=organization).filter(slug=slug)
    if others.exists() or former.exists():
        raise SlugTaken


def free(name: str) -> str:
    """`name`'s slug, or the first of -2, -3 … that nobody has or had. Many names share
    one slug: find nothing by it.

    Two creations at the same instant may choose the same one: the unique column
    refuses the second, which then tries another one (`organizations._opened`).
    """
    wanted = names.slug_of(name, "organization")
    return names.free_slug(wanted, [*_taken(wanted[:50]), *RESERVED])


def _taken(start: str) -> Iterable[str]:
    for model in (Organization, FormerSlug):
        alike = model._default_manager.filter(slug__startswith=start)
        yield from alike.values_list("slug", flat=True)


def current(former: str, user_id: int | None) -> str | None:
    """What the organization that had this slug is called now, for its members."""
    found = FormerSlug.objects.filter(
        slug=former,
        organization__memberships__user=user_id,
        organization__memberships__disabled_at=None,
    )
    return found.values_list("organization__slug", flat=True).first()
