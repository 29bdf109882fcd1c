"""Memberships that groups of the identity provider give, and take when one leaves.

OIDC_GROUPS is the only word on it, read at each sign-in. What people gave each other
stays as they gave it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from portal.models import GroupMembership, Membership, Organization, Role, User
from portal.tenants import audit, members
from portal.tenants.errors import LastOwner

log = logging.getLogger(__name__)
PROVIDER = "identity provider"


@dataclass(frozen=True, slots=True)
class Line:
    """Who is in `group` has `role` in the organization called `slug`."""

    group: str
    role: Role
    slug: str


def lines() -> list[Line]:
    """OIDC_GROUPS. Raises: ValueError for what is not group=role@organization."""
    return [_line(text) for text in settings.OIDC_GROUPS if text.strip()]


def _line(text: str) -> Line:
    group, _, rest = text.strip().rpartition("=")
    role, _, slug = rest.partition("@")
    if not group or not slug:
        raise ValueError(f"{text!r} is not group=role@organization")
    return Line(group, Role(role), slug)


def claimed(sociallogin: Any) -> set[str]:
    """What the provider says the person is in: the claim `groups`."""
    found = sociallogin.account.extra_data.get("userinfo", {}).get("groups")
    listed = found if isinstance(found, list) else [found]
    return {group for group in listed if isinstance(group, str)}


def lets_in(groups: Collection[str]) -> bool:
    """Whether one of these groups gives a membership."""
    return any(line.group in groups for line in lines())


def apply(user: User, groups: Collection[str], *, ip_address: str | None) -> None:
    """Let the person's memberships be what their groups say. Of several lines for one
    organization the first that fits counts."""
    wanted: dict[str, Role] = {}
    for line in lines():
        if line.group in groups:
            wanted.setdefault(line.slug, line.role)
    actor = audit.Actor(None, PROVIDER, ip_address)
    slugs = {line.slug for line in lines()}
    known = Organization.objects.filter(slug__in=slugs).order_by("pk")
    for organization in known:
        _apply_to(organization, user, wanted.get(organization.slug), groups, actor)
    # What a group gave in an organization that no line names any more.
    left = Membership.objects.filter(user=user, given_by_group__isnull=False)
    for membership in left.exclude(organization__slug__in=slugs).order_by("pk"):
        _take(membership, actor)
    for slug in wanted.keys() - {organization.slug for organization in known}:
        log.warning("OIDC_GROUPS names %s, which is no organization", slug)


@transaction.atomic
def _apply_to(
    organization: Organization,
    user: User,
    role: Role | None,
    groups: Collection[str],
    actor: audit.Actor,
) -> None:
    members.lock(organization.pk)
    found = Membership.objects.filter(organization=organization, user=user).first()
    is_given = GroupMembership.objects.filter(membership=found).exists()
    if found is None and role is not None:
        made = members.add(organization, user, role, actor=actor)
        GroupMembership.objects.create(membership=made, groups=sorted(groups))
    elif found is not None and is_given and role is None:
        _take(found, actor)
    elif found is not None and is_given and role is not None:
        GroupMembership.objects.filter(membership=found).update(groups=sorted(groups))
        if found.role != role:
            _change(found, role, actor)


def _take(membership: Membership, actor: audit.Actor) -> None:
    try:
        members.remove(membership, actor=actor)
    except LastOwner:
        _record_kept(membership, actor)


def _change(membership: Membership, role: Role, actor: audit.Actor) -> None:
    try:
        members.change_role(membership, role, actor=actor)
    except LastOwner:
        _record_kept(membership, actor)


def _record_kept(membership: Membership, actor: audit.Actor) -> None:
    """An organization without an owner would be nobody's."""
    with transaction.atomic():
        audit.record(
            "member.keep_last_owner",
            actor=actor,
            organization=membership.organization,
            target=membership.user.email,
        )
