"""Requests as SDKs mark them when they send them again, and what is kept for them."""

from __future__ import annotations

from typing import Any

import httpx

from proxy.models import StoredReply
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.services.gateway import Gateway
from tests.support.waiting import wait_for


def retried(
    customer: Customer, gateway: Gateway, count: int = 1, **fields: Any
) -> httpx.Response:
    """A retry as an SDK marks it, with the plain reply."""
    body = {"model": "m", "messages": SAY_HI, **fields}
    return customer.http(gateway).post(
        "/chat/completions",
        json=body,
        headers={"x-stainless-retry-count": str(count)},
    )


def stored(customer: Customer) -> list[StoredReply]:
    """The kept replies, once there are some."""
    rows = StoredReply.objects.filter(
        account_id=customer.account_id, status__isnull=False
    )
    return wait_for(lambda: list(rows.all()))
