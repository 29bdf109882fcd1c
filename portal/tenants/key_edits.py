"""Changing a key that stays: its name, its end, whether it works for now.

Whoever may rotate and revoke a key may do this. What limits it is set by those who
manage budgets and rules (`budgets`, `rules`).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from billing import envelopes, spenders
from portal.models import ApiKey, KeySecret
from portal.tenants import audit, names, policy
from portal.tenants.errors import InvalidExpiry, KeyNotActive
from portal.tenants.keys import (
    end_secrets,
    lock,
    secrets_in_force,
    spender_ids,
    state_of,
)

LIFETIME_MAX = timedelta(days=3653)


@transaction.atomic
def disable(key: ApiKey, *, actor: audit.Actor) -> bool:
    """Refuse the key from its very next call on, by whichever secret, until `enable`.
    Its runs end, and what they had set aside comes back. False, and no change, for one
    that is disabled or revoked already.

    Raises: NotAllowed.
    """
    policy.require_key_change(actor, key)
    key = lock(key)
    if key.is_disabled or key.is_revoked:
        return False
    key.disabled_at = timezone.now()
    key.save(update_fields=["disabled_at"])
    spenders.set_open(spender_ids(key), is_open=False)
    _record("disable", key, actor)
    envelopes.end_due(key.organization.account_id)  # last, as in `keys.close`
    return True


@transaction.atomic
def enable(key: ApiKey, *, actor: audit.Actor) -> bool:
    """Let it work again, by the secrets that would work. False, and no change, for one
    that is not disabled, or revoked.

    Raises: NotAllowed.
    """
    policy.require_key_change(actor, key)
    key = lock(key)
    if not key.is_disabled or key.is_revoked:
        return False
    key.disabled_at = None
    key.save(update_fields=["disabled_at"])
    usable = KeySecret.objects.filter(key=key, closed_at=None)
    spenders.set_open(usable.values_list("spender_id", flat=True), is_open=True)
    _record("enable", key, actor)
    return True


@transaction.atomic
def rename(key: ApiKey, name: str, *, actor: audit.Actor) -> None:
    """Call it so from the next call on; earlier ones keep the name of then. Several
    keys may be called the same. Raises: NotAllowed, InvalidName."""
    policy.require_key_change(actor, key)
    name, key = names.clean(name), lock(key)
    if name == key.name:
        return
    before, key.name = key.name, name
    key.save(update_fields=["name"])
    spenders.rename(spender_ids(key), name)
    _record("rename", key, actor, before={"name": before}, after={"name": name})


@transaction.atomic
def set_expiry(key: ApiKey, moment: datetime | None, *, actor: audit.Actor) -> None:
    """Let the key end by itself then, or never. A key that has ended stays so.

    Raises: NotAllowed, InvalidExpiry, KeyNotActive.
    """
    policy.require_key_change(actor, key)
    check_expiry(moment)
    key = lock(key)
    if state_of(key, timezone.now()) in ("revoked", "expired"):
        raise KeyNotActive
    before = key.expires_at
    if moment == before:
        return
    for secret in secrets_in_force(key):
        is_newest = secret.spender_id == key.spender_id
        closes_at = secret.spender.closes_at
        if is_newest or (moment and closes_at and closes_at > moment):
            spenders.close_at(secret.spender_id, moment)
    _record(
        "set_expiry",
        key,
        actor,
        before={"expires_at": _text(before)},
        after={"expires_at": _text(moment)},
    )


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def check_expiry(moment: datetime | None) -> None:
    """Raises: InvalidExpiry."""
    now = timezone.now()
    if moment is not None and not now < moment <= now + LIFETIME_MAX:
        raise InvalidExpiry


@transaction.atomic
def end_secret(secret: KeySecret, *, actor: audit.Actor) -> bool:
    """Refuse a secret that was replaced before its overlap is over. False, and no
    change, for the newest one and for one that has ended. Raises: NotAllowed."""
    policy.require_key_change(actor, secret.key)
    key = lock(secret.key)
    old = [each for each in secrets_in_force(key) if each.spender_id != key.spender_id]
    chosen = [each for each in old if each.id == secret.id]
    if not chosen:
        return False
    end_secrets(*chosen)
    _record("end_secret", key, actor, secret=chosen[0].hint)
    envelopes.end_due(key.organization.account_id)
    return True


def _record(act: str, key: ApiKey, actor: audit.Actor, **detail: object) -> None:
    audit.record(
        f"api_key.{act}",
        actor=actor,
        organization=key.organization,
        target=str(key),
        key_id=str(key.id),
        **detail,
    )
