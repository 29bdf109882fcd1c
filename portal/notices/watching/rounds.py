"""Rounds over all organizations: those in which something moved, and each once an
hour."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from billing.values import clock
from portal.models import Organization, Watch
from portal.notices import alerts
from portal.notices.watching import balance, keys, spend
from portal.notices.watching.seen import Seen

EACH = timedelta(hours=1)
# What commits late is seen by the next look: what was told already is not told again.
OVERLAP = timedelta(minutes=10)
ROUND_MAX, ROUND_SECONDS = 500, 5.0
LOOKS: tuple[Callable[[Seen], None], ...] = (
    balance.look,
    balance.look_at_grants,
    spend.look_at_budgets,
    spend.look_at_spike,
    spend.look_at_errors,
    spend.look_at_overruns,
    keys.look,
)

logger = logging.getLogger(__name__)


def watch_due() -> int:
    """Look at who is due, those first who waited longest; how many."""
    now, until = clock.now(), time.monotonic() + ROUND_SECONDS
    looked = 0
    for organization in _due(now)[:ROUND_MAX]:
        if time.monotonic() > until:
            break
        try:
            look(organization)
        except Exception:  # noqa: BLE001  the next ones are not to blame
            logger.exception("alerts of %s could not be found", organization.slug)
        looked += 1
    return looked


def _due(now: datetime) -> QuerySet[Organization]:
    last = Watch.objects.filter(organization=OuterRef("pk")).values("looked_at")
    found = Organization.objects.select_related("account").annotate(
        looked=Subquery(last)
    )
    is_due = Q(looked=None) | Q(looked__lt=now - EACH)
    moved = Q(account__last_entry_at__gte=F("looked"))
    return found.filter(is_due | moved).order_by(
        F("looked").asc(nulls_first=True), "pk"
    )


def look(organization: Organization) -> None:
    """All that there is to find, in one transaction."""
    with transaction.atomic():
        now = clock.now()
        last = Watch.objects.filter(pk=organization.pk).first()
        since = (last.looked_at if last else now) - OVERLAP
        chosen = alerts.settings_of(organization.id)
        seen = Seen(organization, now, chosen, since)
        for each in LOOKS:
            each(seen)
        Watch.objects.update_or_create(
            organization=organization, defaults={"looked_at": now}
        )
