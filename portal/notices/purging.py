"""Forgetting: what was told long ago, with its attempts, and then the events."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from billing import outbox
from billing.models import Event
from billing.values import clock
from portal.models import Delivery, NoticeMail

BATCH = 1000


def purge() -> int:
    """Delete what is older than NOTICE_DAYS, whatever it waits for: an endpoint that is
    disabled for so long gets it no more. How many rows."""
    before = clock.now() - timedelta(days=settings.NOTICE_DAYS)
    total = 0
    while done := _some(before):
        total += done
    return total


@transaction.atomic
def _some(before: datetime) -> int:
    """In the order in which they refer to each other."""
    old = Delivery.objects.filter(created_at__lt=before).order_by("id")
    ids = list(old.values_list("id", flat=True)[:BATCH])
    done = Delivery.objects.filter(id__in=ids).delete()[0]
    mails = NoticeMail.objects.filter(created_at__lt=before).order_by("id")
    ids = list(mails.values_list("id", flat=True)[:BATCH])
    done += NoticeMail.objects.filter(id__in=ids).delete()[0]
    told = Event.objects.filter(dispatched_at__lt=before)
    sent = Exists(Delivery.objects.filter(event=OuterRef("pk")))
    mailed = Exists(NoticeMail.objects.filter(event=OuterRef("pk")))
    return done + outbox.purge(told.exclude(sent | mailed), limit=BATCH)
