"""Keys that expire before long, and keys that nobody uses."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q

from billing.reports.spend import last_used
from portal.models import ApiKey, KeySecret
from portal.notices.watching.seen import Seen

EXPIRING_DAYS = (10, 20, 30)
UNUSED, NEW = timedelta(days=90), timedelta(days=30)
KEYS_MAX = 1000  # looked at in one look


def look(seen: Seen) -> None:
    """Those of runs end by themselves, and are nobody's to renew."""
    keys = ApiKey.objects.filter(
        Q(spender__closes_at=None) | Q(spender__closes_at__gt=seen.now),
        organization=seen.organization,
        revoked_at=None,
        disabled_at=None,
        spender__parent=None,
    ).select_related("spender")
    longest = seen.now + timedelta(days=max(EXPIRING_DAYS))
    soon = keys.filter(spender__closes_at__lte=longest)
    _expiring(seen, list(soon.order_by("spender__closes_at")[:KEYS_MAX]))
    old = keys.filter(created_at__lt=seen.now - UNUSED).order_by("created_at")
    _unused(seen, list(old[:KEYS_MAX]))
    new = keys.filter(created_at__gte=seen.now - NEW).order_by("-created_at")
    _first_used(seen, list(new[:KEYS_MAX]))


def _expiring(seen: Seen, keys: list[ApiKey]) -> None:
    for key in keys:
        assert key.expires_at is not None
        left = key.expires_at - seen.now
        days = next(each for each in EXPIRING_DAYS if left <= timedelta(days=each))
        if key.expires_at - key.created_at <= timedelta(days=days):
            continue  # whoever made it for so long knows
        ends = seen.day(key.expires_at)
        seen.emit(
            "key.expiring",
            f"{key.id}:{ends}:{days}",
            object="key",
            id=key.public_id,
            name=key.name,
            expires_on=ends,
            days=days,
            holder_id=key.spender.holder_id,
        )


def _first_used(seen: Seen, keys: list[ApiKey]) -> None:
    """Of the keys made lately; each is told of once, whatever it does later."""
    by_spender = {key.spender_id: key for key in keys}
    for spender_id in last_used(list(by_spender)):
        key = by_spender[spender_id]
        seen.emit(
            "key.first_used",
            str(key.id),
            object="key",
            id=key.public_id,
            name=key.name,
        )


def _unused(seen: Seen, keys: list[ApiKey]) -> None:
    secrets = KeySecret.objects.filter(key__in=keys).values_list("key", "spender")
    used = last_used([spender for _, spender in secrets])
    latest = {key.id: key.created_at for key in keys}
    for key_id, spender_id in secrets:
        if spender_id in used:
            latest[key_id] = max(latest[key_id], used[spender_id])
    for key in keys:
        if latest[key.id] < seen.now - UNUSED:
            seen.emit(
                "key.unused",
                f"{key.id}:{seen.day(latest[key.id])}",
                object="key",
                id=key.public_id,
                name=key.name,
                days=UNUSED.days,
                holder_id=key.spender.holder_id,
            )
