"""What a browser sends to the pages of limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.budgets import of_account
from billing.values.orders import CREDIT
from portal.models import (
    Organization,
    User,
)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def url(name: str, *arguments: object) -> str:
    return reverse(name, args=["acme", *arguments])


def tomorrow() -> str:
    return f"{timezone.now() + timedelta(days=1):%Y-%m-%dT%H:%M}"


def terms(**changes: Any) -> dict[str, Any]:
    return {
        "level": "organization",
        "window": "day",
        "credits": "5",
        "counts_spend_so_far": "on",
        **changes,
    }


def unit_of(organization: Organization, user: User) -> int:
    return organization.memberships.get(user=user).unit_id


def limits(organization: Organization) -> list[tuple[str, str, int]]:
    found = of_account(organization.account_id)
    return [(each.level, each.window, each.limit_micros // CREDIT) for each in found]
