"""API keys: making, checking, rotating, revoking. A secret leaves here once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from billing import envelopes, spenders
from portal.models import ApiKey, Membership, Project, Rules, ServiceAccount
from portal.tenants import audit, key_format, lines, names, policy, rules
from portal.tenants.errors import (
    ArchivedProject,
    DisabledHolder,
    HolderNotActive,
    KeyNotActive,
    MalformedKey,
    NotAllowed,
    ProjectNotActive,
    RevokedKey,
    UnknownKey,
)
from portal.tenants.roles import Permission
from portal.tenants.rules import LevelRules

Holder = Membership | ServiceAccount


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

    Raises: MalformedKey, UnknownKey, RevokedKey, ExpiredKey, ClosedRun,
    ArchivedProject, DisabledHolder.
    """
    if not key_format.is_well_formed(text):
        raise MalformedKey
    try:
        # By the digest's unique index: no secret is compared, so no time tells one.
        keys = ApiKey.objects.select_related(
            "organization", "spender__project", "spender__holder"
        )
        ruled = Rules.objects.filter(organization=OuterRef("organization"))
        key = keys.annotate(has_rules=Exists(ruled)).get(digest=key_format.digest(text))
    except ApiKey.DoesNotExist:
        raise UnknownKey from None
    if key.is_revoked:
        raise RevokedKey
    line = lines.above(key.spender)
    lines.check_open(line)
    if key.spender.project is not None and not key.spender.project.is_open:
        raise ArchivedProject
    if key.spender.holder is not None and not key.spender.holder.is_open:
        raise DisabledHolder
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
    holder: Holder | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and, this once, its secret. Members make keys that they hold
    themselves, or, with the right for it, a service account; the operator names whose
    it is.

    Raises: NotAllowed, InvalidName, ProjectNotActive, HolderNotActive.
    """
    holder = holder_for(actor, project, holder)
    name = names.clean(name)
    if not Project.objects.select_for_update(no_key=True).filter(
        pk=project.pk, archived_at=None
    ):
        raise ProjectNotActive
    key, secret = store(project, name, holder, actor, expires_at, None)
    audit.record(
        "api_key.create",
        actor=actor,
        organization=project.organization,
        target=str(key),
        key_id=str(key.id),
        project=project.slug,
        holder=holder.unit.label,
        expires_at=expires_at and expires_at.isoformat(),
    )
    return key, secret


def holder_for(actor: audit.Actor, project: Project, wanted: Holder | None) -> Holder:
    """Who is to hold a new key of the project, as it is now, locked.

    Raises: NotAllowed, HolderNotActive.
    """
    organization_id = project.organization_id
    is_service = isinstance(wanted, ServiceAccount)
    right = Permission.MANAGE_SERVICE_ACCOUNTS if is_service else Permission.CREATE_KEYS
    policy.require(actor, organization_id, right)
    own = policy.membership_of(actor, organization_id)
    policy.require_project(actor, project)
    if wanted is None:
        if own is None:
            raise NotAllowed("The operator names who is to hold a key.")
        return own
    if not is_service and not policy.is_operator(actor):
        policy.refuse_unless(own is not None and own.pk == wanted.pk)
    found = (
        type(wanted)
        .objects.select_for_update(of=("self",), no_key=True)
        .select_related("unit")
        .filter(pk=wanted.pk, organization_id=organization_id)
        .first()
    )
    if found is None:
        raise NotAllowed
    if found.disabled_at is not None:
        raise HolderNotActive
    return found


@transaction.atomic
def rotate(
    key: ApiKey, overlap: timedelta, *, actor: audit.Actor
) -> tuple[ApiKey, str]:
    """A successor with the same name, project, holder and lifetime; the old one works
    on for `overlap` (but no longer than it would have), or is revoked at once without.
    Both together stay within the key's limits. Its runs end with the old key; the key
    of a run is not rotated.

    Raises: NotAllowed, KeyNotActive, HolderNotActive.
    """
    policy.require_key_change(actor, key)
    key, now = lock(key), timezone.now()
    if key.spender.parent_id is not None:
        raise KeyNotActive("The key of a run is not rotated: open another run.")
    is_rotated = ApiKey.objects.filter(rotated_from=key).exists()
    if is_rotated or state_of(key, now) != "active":
        raise KeyNotActive
    # Above this line every refusal, below it nothing may fail any more.
    expires_at = key.expires_at and now + (key.expires_at - key.created_at)
    holder = holder_of(key)
    successor, secret = store(key.project, key.name, holder, actor, expires_at, key)
    rules.inherit(key, successor)
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


def close(*chosen: ApiKey, actor: audit.Actor) -> None:
    """Revoke as a part of another change, which has asked the policy for the whole.
    What their runs have set aside comes back. Last of what locks anything there: a call
    waits for an account, and must not wait for what its customer waits for."""
    closed = [key for key in chosen if _close(key, actor)]
    for account_id in sorted({key.organization.account_id for key in closed}):
        # While somebody keeps it locked it is left to the sweep: a key is revoked
        # however busy its organization is.
        envelopes.end_due(account_id)


def _close(key: ApiKey, actor: audit.Actor) -> bool:
    key = lock(key)
    if key.is_revoked:
        return False
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
    return True


def holder_of(key: ApiKey) -> Holder:
    """The member or the service account. Raises: HolderNotActive where nobody holds it
    any more."""
    if key.service_account is not None:
        return key.service_account
    held = Membership.objects.filter(unit=key.spender.holder_id)
    if (member := held.select_related("unit").first()) is None:
        raise HolderNotActive
    return member


def state_of(key: ApiKey, now: datetime) -> str:
    if key.is_revoked:
        return "revoked"
    return "expired" if key.expires_at and key.expires_at <= now else "active"


def lock(key: ApiKey) -> ApiKey:
    """The key as it is now, locked: two rotations of one key cannot both win."""
    return (
        ApiKey.objects.select_for_update(of=("self",))
        .select_related("spender", "organization", "project", "service_account__unit")
        .get(pk=key.pk)
    )


def store(
    project: Project,
    name: str,
    holder: Holder,
    actor: audit.Actor,
    expires_at: datetime | None,
    rotated_from: ApiKey | None,
) -> tuple[ApiKey, str]:
    """The rows of a new key: its face in the ledger, and its digest here."""
    secret = key_format.generate()
    account_id = project.organization.account_id
    spender = spenders.open_spender(
        account_id,
        name,
        closes_at=expires_at,
        project_id=project.unit_id,
        holder_id=holder.unit_id,
        succeeds=rotated_from.spender if rotated_from else None,
    )
    key = ApiKey.objects.create(
        organization=project.organization,
        project=project,
        created_by=actor.user,
        spender=spender,
        service_account=holder if isinstance(holder, ServiceAccount) else None,
        name=name,
        public_id=key_format.public_id(secret),
        last4=secret[-4:],
        digest=key_format.digest(secret),
        rotated_from=rotated_from,
    )
    return key, secret
