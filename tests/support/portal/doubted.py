"""Calls that run, and calls that nobody knows the end of."""

from __future__ import annotations

import uuid
from datetime import timedelta

from billing import holds
from billing.values import clock
from billing.values.orders import CREDIT, Doubt, Place
from portal.models import ApiKey


def make_call(key: ApiKey, credits: int = 30) -> str:
    """The request id of a call that runs and holds so many credits upstream."""
    order = Place(
        hold_id=uuid.uuid4().hex,
        account_id=key.organization.account_id,
        spender_id=key.spender_id,
        bound_micros=credits * CREDIT,
        operation="videos.generations",
        model="video",
        due_at=clock.now() + timedelta(days=2),
    )
    [placed] = holds.commit([order])
    assert not isinstance(placed, Exception)
    return f"req_{order.hold_id}"


def make_doubt(key: ApiKey, credits: int = 30) -> str:
    request_id = make_call(key, credits)
    [doubted] = holds.commit(
        [Doubt(request_id[4:], key.organization.account_id, "upstream_lost")]
    )
    assert not isinstance(doubted, Exception)
    return request_id
