"""From which addresses keys are used: kept for a while, deleted after.

An address is personal data. It is kept for one purpose, to see what a leaked key did,
by key and not by call, for KEY_ADDRESS_DAYS (0: not at all), and shown only to who may
change the key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from billing import purging
from portal.models import ApiKey, KeySecret, KeySighting

# More from one secret are counted no more: a key that is used from everywhere.
ADDRESSES_MAX = 1000
SHOWN_MAX = 100


class Seen(NamedTuple):
    """Requests of one secret from one address, since the last time that was noted."""

    first_at: datetime
    last_at: datetime
    requests: int


# The ledger's spender of the secret, and the address.
Sightings = Mapping[tuple[int, str], Seen]

_ADD = (
    "INSERT INTO portal_keysighting (secret_id, address, first_at, last_at, requests) "
    "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (secret_id, address) DO UPDATE SET "
    "last_at = excluded.last_at, "
    "requests = portal_keysighting.requests + excluded.requests"
)


def kept_days() -> int:
    days: int = settings.KEY_ADDRESS_DAYS
    return days


@transaction.atomic
def note(found: Sightings) -> None:
    """Add them to what is known. What is of no key is left out."""
    spenders = {spender_id for spender_id, _ in found}
    secrets = dict(
        KeySecret.objects.filter(spender__in=spenders).values_list("spender_id", "id")
    )
    known = KeySighting.objects.filter(secret__in=secrets.values())
    counts = Counter(known.values_list("secret_id", flat=True))
    full = {secret_id for secret_id, count in counts.items() if count >= ADDRESSES_MAX}
    # In one order, so that processes that write at once wait, and do not lock up.
    rows = sorted(
        (secrets[spender_id], address, seen.first_at, seen.last_at, seen.requests)
        for (spender_id, address), seen in found.items()
        if spender_id in secrets and secrets[spender_id] not in full
    )
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.executemany(
            _ADD,
            [
                (secret_id, address, adapt(first), adapt(last), requests)
                for secret_id, address, first, last, requests in rows
            ],
        )


def of_key(key: ApiKey, since: datetime) -> list[KeySighting]:
    """Seen since then, the latest first."""
    found = KeySighting.objects.filter(secret__key=key, last_at__gte=since)
    latest = found.select_related("secret").order_by("-last_at", "-id")
    return list(latest[:SHOWN_MAX])


def forget_old() -> int:
    """Delete what nobody needs any more; how many."""
    before = timezone.now() - timedelta(days=kept_days())
    return purging.purge(KeySighting.objects.filter(last_at__lt=before))
