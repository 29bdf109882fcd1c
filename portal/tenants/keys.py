"""API keys: making, checking, rotating, revoking. A secret leaves here once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from billing import envelopes, spenders
from billing.models import Spender
from portal.models import (
    ApiKey,
    KeySecret,
    Membership,
    Project,
    Rules,
    ServiceAccount,
)
from portal.tenants import audit, key_format, key_rights, lines, names, policy, rules
from portal.tenants.errors import (
    ArchivedProject,
    DisabledHolder,
    DisabledKey,
    ExpiredKey,
    HolderNotActive,
    KeyNotActive,
    KeyRefused,
    MalformedKey,
    NotAllowed,
    ProjectNotActive,
    RevokedKey,
    UnknownKey,
)
from portal.tenants.roles import Permission
from portal.tenants.rules import LevelRules

Holder = Membership | ServiceAccount
REPLACED = (
    "This secret of the API key is no longer valid, because the key was rotated. Use "
    "the key's new secret, or rotate the key again on the API keys page."
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a valid key is: all that the gateway needs, and nothing to query later. The
    spender is that of the secret which was presented, and so is `closes_at`."""

    key_id: UUID
    spender_id: int
    account_id: int
    organization_slug: str
    closes_at: datetime | None
    label: str
    stores_replies: bool = True
    rules: tuple[LevelRules, ...] = ()  # of all that stands above a call
    run_id: UUID | None = None  # which it spends, by its hold
    sees_balance: bool = True  # what the organization has (`key_rights.py`)
    is_suspended: bool = False  # the organization, when the key was looked up


def verify(text: str) -> Identity:
    """Who presents this key: one query, none when it is malformed, two where there are
    rules to keep.

    The answer may be cached by its digest: the hold's own transaction asks the
    spender again, so a key revoked in the meantime is refused all the same.

    Raises: MalformedKey, UnknownKey, RevokedKey, DisabledKey, ExpiredKey, ClosedRun,
    ArchivedProject, DisabledHolder.
    """
    if not key_format.is_well_formed(text):
        raise MalformedKey
    try:
        # By the digest's unique index: no secret is compared, so no time tells one.
        secrets = KeySecret.objects.select_related(
            "key__organization__account", "spender__project", "spender__holder"
        )
        ruled = Rules.objects.filter(organization=OuterRef("key__organization"))
        digest = key_format.digest(text)
        secret = secrets.annotate(
            has_rules=Exists(ruled), sees_balance=key_rights.SEES_BALANCE
        ).get(digest=digest)
    except KeySecret.DoesNotExist:
        raise UnknownKey from None
    key, spender = secret.key, secret.spender
    try:
        line = _refuse_unusable(secret)
    except KeyRefused as error:
        error.spender_id = secret.spender_id
        raise
    return Identity(
        key_id=key.id,
        spender_id=secret.spender_id,
        account_id=key.organization.account_id,
        organization_slug=key.organization.slug,
        closes_at=spender.closes_at,
        label=key.name,
        stores_replies=key.organization.stores_replies,
        rules=rules.of_key(key, line) if secret.has_rules or len(line) > 1 else (),
        run_id=spender.envelope_id,
        sees_balance=secret.sees_balance,
        is_suspended=not key.organization.account.is_open,
    )


def _refuse_unusable(secret: KeySecret) -> list[Spender]:
    """Its line upwards, if all of that may spend. Raises: KeyRefused."""
    refuse_closed(secret)
    spender = secret.spender
    line = lines.above(spender)
    lines.check_open(line)
    if spender.project is not None and not spender.project.is_open:
        raise ArchivedProject
    if spender.holder is not None and not spender.holder.is_open:
        raise DisabledHolder
    return line


def refuse_closed(secret: KeySecret) -> None:
    """Raises: RevokedKey, ExpiredKey, DisabledKey, by what was done to the key."""
    key = secret.key
    if key.is_revoked:
        raise RevokedKey
    if secret.closed_at is not None:
        raise RevokedKey(REPLACED)
    is_old = secret.spender_id != key.spender_id
    closes_at = secret.spender.closes_at
    if is_old and closes_at is not None and closes_at <= timezone.now():
        raise ExpiredKey(REPLACED)
    if key.is_disabled:
        raise DisabledKey


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
    own = holder_for(actor, project, holder)
    return issue_to(own, project, name, actor=actor, expires_at=expires_at)


def issue_to(
    holder: Holder,
    project: Project,
    name: str,
    *,
    actor: audit.Actor,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """As a part of another change, which has asked `holder_for` who is to hold it.

    Raises: InvalidName, ProjectNotActive.
    """
    name = names.clean(name)
    if not Project.objects.select_for_update(no_key=True).filter(
        pk=project.pk, archived_at=None
    ):
        raise ProjectNotActive
    key, secret = store(project, name, holder, actor, expires_at)
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
    """The same key with another secret and the same lifetime from now on. The secret
    that it had works on for `overlap` (but no longer than it would have); without one
    all that it had are refused at once. Both together stay within the key's limits. Its
    runs end with the secret that opened them; the key of a run is not rotated.

    Raises: NotAllowed, KeyNotActive (also when another rotation came first),
    HolderNotActive.
    """
    policy.require_key_change(actor, key)
    seen, now = key.spender_id, timezone.now()
    key = lock(key)
    if key.spender.parent_id is not None:
        raise KeyNotActive("The key of a run is not rotated: open another run.")
    if key.spender_id != seen or state_of(key, now) != "active":
        raise KeyNotActive
    # Above this line every refusal, below it nothing may fail any more.
    old = key.spender
    made_at = KeySecret.objects.get(spender=old).created_at
    secret = key_format.generate(key.public_id)
    key.spender = spenders.open_spender(
        old.account_id,
        key.name,
        closes_at=old.closes_at and now + (old.closes_at - made_at),
        project_id=key.project.unit_id,
        holder_id=holder_of(key).unit_id,
        succeeds=old,
    )
    keep(key, secret)
    closes_at = now
    if overlap > timedelta(0):
        closes_at = min(now + overlap, old.closes_at or now + overlap)
        spenders.close_at(old.id, closes_at)
    else:
        end_secrets(*secrets_in_force(key)[1:])
    audit.record(
        "api_key.rotate",
        actor=actor,
        organization=key.organization,
        target=str(key),
        key_id=str(key.id),
        old_secret_closes_at=closes_at.isoformat(),
    )
    if closes_at == now:
        envelopes.end_due(old.account_id)  # last, as in `close`
    return key, secret


def secrets_in_force(key: ApiKey) -> list[KeySecret]:
    """Those by which the key is known now, unless it is disabled; the newest first."""
    found = KeySecret.objects.select_related("spender").filter(key=key, closed_at=None)
    is_on_time = Q(spender__closes_at=None) | Q(spender__closes_at__gt=timezone.now())
    return list(found.filter(is_on_time).order_by("-created_at", "-id"))


def end_secrets(*chosen: KeySecret) -> None:
    """Refuse these from their very next call on, for good, as a part of another
    change."""
    ids = [secret.id for secret in chosen]
    KeySecret.objects.filter(id__in=ids).update(closed_at=timezone.now())
    spenders.set_open([secret.spender_id for secret in chosen], is_open=False)


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
    spenders.set_open(spender_ids(key), is_open=False)
    audit.record(
        "api_key.revoke",
        actor=actor,
        organization=key.organization,
        target=str(key),
        key_id=str(key.id),
    )
    return True


def spender_ids(*chosen: ApiKey) -> list[int]:
    """Of all secrets that these keys have and had: by what they have spent."""
    found = KeySecret.objects.filter(key__in=chosen).order_by("id")
    return list(found.values_list("spender_id", flat=True))


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
    if key.expires_at and key.expires_at <= now:
        return "expired"
    return "disabled" if key.is_disabled else "active"


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
) -> tuple[ApiKey, str]:
    """The rows of a new key: its face in the ledger, and its digest here."""
    secret = key_format.generate()
    spender = spenders.open_spender(
        project.organization.account_id,
        name,
        closes_at=expires_at,
        project_id=project.unit_id,
        holder_id=holder.unit_id,
    )
    key = ApiKey(
        organization=project.organization,
        project=project,
        created_by=actor.user,
        spender=spender,
        service_account=holder if isinstance(holder, ServiceAccount) else None,
        name=name,
    )
    keep(key, secret)
    return key, secret


def keep(key: ApiKey, secret: str) -> None:
    """Save the key with this secret, which spends by the key's spender from now on."""
    key.public_id, key.last4 = key_format.public_id(secret), secret[-4:]
    key.save()
    key.secrets.create(
        spender=key.spender,
        public_id=key.public_id,
        last4=key.last4,
        digest=key_format.digest(secret),
    )
