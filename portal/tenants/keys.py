"""API keys: making, checking, rotating, revoking. A secret leaves here once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from billing import spenders
from portal.models import ApiKey, Project, Rules
from portal.tenants import audit, key_format, lines, names, policy, rules
from portal.tenants.errors import (
    KeyNotActive,
    MalformedKey,
    RevokedKey,
    UnknownKey,
)
from portal.tenants.roles import Permission
from portal.tenants.rules import LevelRules


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a valid key is: all that the gateway needs, and nothing to query later."""

    key_id: UUID
    spender_id: int
    account_id: int
    organization_slug: str
    closes_at: datetime | None
    label: str
    stores_replies: bool = True
    rules: tuple[LevelRules, ...] = ()  # of all that stands above a call
    run_id: UUID | None = None  # which it spends, by its hold


def verify(text: str) -> Identity:
    """Who presents this key: one query, none when it is malformed, two where there are
    rules to keep.

    The answer may be cached by its digest: the hold's own transaction asks the
    spender again, so a key revoked in the meantime is refused all the same.

    Raises: MalformedKey, UnknownKey, RevokedKey, ExpiredKey, ClosedRun.
    """
    if not key_format.is_well_formed(text):
        raise MalformedKey
    try:
        # By the digest's unique index: no secret is compared, so no time tells one.
        keys = ApiKey.objects.select_related("spender", "organization")
        ruled = Rules.objects.filter(organization=OuterRef("organization"))
        key = keys.annotate(has_rules=Exists(ruled)).get(digest=key_format.digest(text))
    except ApiKey.DoesNotExist:
        raise UnknownKey from None
    if key.is_revoked:
        raise RevokedKey
    line = lines.above(key.spender)
    lines.check_open(line)
    return Identity(
        key_id=key.id,
        spender_id=key.spender_id,
        account_id=key.organization.account_id,
        organization_slug=key.organization.slug,
        closes_at=key.spender.closes_at,
        label=key.name,
        stores_replies=key.organization.stores_replies,
        rules=rules.of_key(key, line) if key.has_rules or len(line) > 1 else (),
        run_id=key.spender.envelope_id,
    )


@transaction.atomic
def issue(
    project: Project,
    name: str,
    *,
    actor: audit.Actor,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and, this once, its secret.

    Raises: NotAllowed, InvalidName.
    """
    policy.require(actor, project.organization_id, Permission.CREATE_KEYS)
    key, secret = store(project, names.clean(name), actor, expires_at, None)
    audit.record(
        "api_key.create",
        actor=actor,
        organization=project.organization,
        target=str(key),
        key_id=str(key.id),
        project=project.slug,
        expires_at=expires_at and expires_at.isoformat(),
    )
    return key, secret


@transaction.atomic
def rotate(
    key: ApiKey, overlap: timedelta, *, actor: audit.Actor
) -> tuple[ApiKey, str]:
    """A successor with the same name, project and lifetime; the old one works on for
    `overlap` (but no longer than it would have), or is revoked at once without one.

    Raises: NotAllowed, KeyNotActive.
    """
    policy.require_key_change(actor, key)
    key, now = lock(key), timezone.now()
    is_rotated = ApiKey.objects.filter(rotated_from=key).exists()
    if is_rotated or state_of(key, now) != "active":
        raise KeyNotActive
    # Above this line every refusal, below it nothing may fail any more.
    expires_at = key.expires_at and now + (key.expires_at - key.created_at)
    successor, secret = store(key.project, key.name, actor, expires_at, key)
    if overlap > timedelta(0):
        closes_at = min(now + overlap, key.expires_at or now + overlap)
        spenders.close_at(key.spender_id, closes_at)
    else:
        closes_at = now
        close(key, actor=actor)
    audit.record(
        "api_key.rotate",
        actor=actor,
        organization=key.organization,
        target=str(key),
        key_id=str(key.id),
        successor=str(successor.id),
        old_key_closes_at=closes_at.isoformat(),
    )
    return successor, secret


@transaction.atomic
def revoke(key: ApiKey, *, actor: audit.Actor) -> None:
    """Refuse the key from its very next call on. Revoking again changes nothing.

    Raises: NotAllowed.
    """
    policy.require_key_change(actor, key)
    close(key, actor=actor)


def close(key: ApiKey, *, actor: audit.Actor) -> None:
    """Revoke as a part of another change, which has asked the policy for the whole."""
    key = lock(key)
    if key.is_revoked:
        return
    key.revoked_at = timezone.now()
    key.save(update_fields=["revoked_at"])
    spenders.close(key.spender_id)
    audit.record(
        "api_key.revoke",
        actor=actor,
        organization=key.organization,
        target=str(key),
        key_id=str(key.id),
    )


def state_of(key: ApiKey, now: datetime) -> str:
    if key.is_revoked:
        return "revoked"
    return "expired" if key.expires_at and key.expires_at <= now else "active"


def lock(key: ApiKey) -> ApiKey:
    """The key as it is now, locked: two rotations of one key cannot both win."""
    return (
        ApiKey.objects.select_for_update(of=("self",))
        .select_related("spender", "organization", "project")
        .get(pk=key.pk)
    )


def store(
    project: Project,
    name: str,
    actor: audit.Actor,
    expires_at: datetime | None,
    rotated_from: ApiKey | None,
) -> tuple[ApiKey, str]:
    """The rows of a new key: its face in the ledger, and its digest here."""
    secret = key_format.generate()
    account_id = project.organization.account_id
    spender = spenders.open_spender(account_id, name, closes_at=expires_at)
    key = ApiKey.objects.create(
        organization=project.organization,
        project=project,
        created_by=actor.user,
        spender=spender,
        name=name,
        public_id=key_format.public_id(secret),
        last4=secret[-4:],
        digest=key_format.digest(secret),
        rotated_from=rotated_from,
    )
    return key, secret
