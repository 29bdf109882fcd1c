"""Accounts: open one for an organization, suspend it, find the operator's own."""

from __future__ import annotations

from django.db import transaction

from billing.models import Account
from billing.models.account import AccountKind


def open_organization(label: str, *, price_factor_ppm: int = 1_000_000) -> Account:
    """An account for a new organization, with the usage account it is charged to.

    `price_factor_ppm`: parts per million of the upstream's price; 1,000,000 resells
    at cost. Raises: ValueError when it is no positive integer.
    """
    if type(price_factor_ppm) is not int or price_factor_ppm <= 0:
        raise ValueError("a price factor is positive")
    with transaction.atomic():
        usage = Account.objects.create(kind=AccountKind.USAGE, label=label)
        account = Account.objects.create(
            kind=AccountKind.ORGANIZATION,
            label=label,
            usage_account=usage,
            price_factor_ppm=price_factor_ppm,
        )
        account.tenant = account
        both = Account.objects.filter(id__in=[account.id, usage.id])
        both.update(tenant=account)
        return account


def suspend(account_id: int) -> bool:
    """Refuse new holds from the next one on; running calls still settle. True if that
    is new."""
    found = Account.objects.filter(id=account_id, is_open=True)
    return found.update(is_open=False) > 0


def reopen(account_id: int) -> bool:
    """Take holds again. True if that is new."""
    found = Account.objects.filter(id=account_id, is_open=False)
    return found.update(is_open=True) > 0
