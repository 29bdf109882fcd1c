"""What an organization has: one definition of balance, held and available."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, Sum, Value
from django.db.models.functions import Now

from billing.ledger import dialect, store
from billing.models import Account
from billing.values import clock
from billing.values.amounts import price_of


@dataclass(frozen=True, slots=True)
class Balance:
    """What there is at one moment, in microcredits; the next hold may change it.

    `balance` is all there is, `held` what running calls keep, `available` what a new
    call may use. It can be less than `balance − held`: expired credits count until
    they are booked out, but nobody can use them. `returning` is what comes back, at
    most, when running calls settle: not what runs set aside.
    """

    is_open: bool
    price_factor_ppm: int
    balance_micros: int
    held_micros: int
    available_micros: int
    returning_micros: int
    owed_micros: int = 0  # while it is more than nothing, no call is made

    def hold_micros(self, bound_micros: int) -> int:
        """What is held for a call that may cost at most `bound_micros`."""
        return price_of(bound_micros, self.price_factor_ppm)


def balance_of(account_id: int) -> Balance:
    """In one query, so that the figures belong together; but for what runs hold.

    Raises: Account.DoesNotExist.
    """
    # By the clock that a hold goes by, in the same query.
    now = Value(clock.now()) if dialect.now_parameter() else Now()
    usable = Q(grant__remaining_micros__gt=0) & (
        Q(grant__expires_at__isnull=True) | Q(grant__expires_at__gt=now)
    )
    account = Account.objects.annotate(
        remaining=Sum("grant__remaining_micros", filter=usable, default=0),
        pinned=Sum("grant__held_micros", filter=usable, default=0),
    ).get(id=account_id)
    return Balance(
        is_open=account.is_open,
        price_factor_ppm=account.price_factor_ppm,
        balance_micros=account.balance_micros,
        held_micros=account.held_micros,
        available_micros=account.remaining - account.pinned,
        returning_micros=max(0, account.pinned - store.held_by_runs(account_id)),
        owed_micros=account.owed_micros,
    )
