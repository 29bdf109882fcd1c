"""Who may draw on an account: spenders, and the units above them.

Closing one stops its next call, and with a unit those of all spenders below it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from billing.ledger import locking, store
from billing.ledger.book import Book
from billing.models import Spender, Unit
from billing.models.account import UnitKind


def open_unit(account_id: int, kind: UnitKind, label: str) -> Unit:
    """A project, a member or a service account that may spend from now on."""
    return Unit.objects.create(account_id=account_id, kind=kind.value, label=label)


def set_unit_open(unit_id: int, *, is_open: bool) -> None:
    """Refuse new holds of all its spenders from the next one on, or allow them."""
    Unit.objects.filter(id=unit_id).update(is_open=is_open)


def rename_unit(unit_id: int, label: str) -> None:
    """Call it so from the next hold on; earlier ones keep its name of then."""
    Unit.objects.filter(id=unit_id).update(label=label)


def open_spender(
    account_id: int,
    label: str,
    *,
    closes_at: datetime | None = None,
    project_id: int | None = None,
    holder_id: int | None = None,
    succeeds: Spender | None = None,
) -> Spender:
    """Let somebody draw on the account, until `closes_at` if given; `project_id` and
    `holder_id` are units of that account. Whoever `succeeds` another spender has its
    limits, and both together stay within them: they are one key, with two secrets."""
    return Spender.objects.create(
        account_id=account_id,
        label=label,
        closes_at=closes_at,
        project_id=project_id,
        holder_id=holder_id,
        counts_as_id=succeeds.limited_id if succeeds else None,
    )


def close(spender_id: int) -> None:
    """Refuse new holds from the next one on, for good. Its runs end with the next
    sweep."""
    Spender.objects.filter(id=spender_id).update(is_open=False)


def set_open(spender_ids: Iterable[int], *, is_open: bool) -> None:
    """Refuse new holds from the next one on, or allow them again. Runs of whoever is
    closed end with the next sweep, for good."""
    Spender.objects.filter(id__in=list(spender_ids)).update(is_open=is_open)


def rename(spender_ids: Iterable[int], label: str) -> None:
    """Call them so from the next hold on; earlier ones keep the name of then."""
    Spender.objects.filter(id__in=list(spender_ids)).update(label=label)


def close_at(spender_id: int, moment: datetime | None) -> None:
    """Set when the spender closes by itself; None keeps it open."""
    Spender.objects.filter(id=spender_id).update(closes_at=moment)


def hand_over(
    account_id: int, spender_ids: Collection[int], holder_id: int
) -> set[int]:
    """Let another unit of the account hold these spenders, and those of their runs,
    from the next hold on; the ids of all of them.

    What was held or spent before counts where it did: holds and usage name their
    holder of then. What a run has set aside stays so in the limits of then; what it
    spends from now on counts in the new holder's, too. Under the account's lock, so
    that no hold reads one holder and the limits of another.

    Raises: ValueError for a unit that is not the account's or is a project;
    AccountLocked.
    """
    with locking.atomic():
        store.lock_accounts(Book(), {account_id})
        holders = Unit.objects.exclude(kind=UnitKind.PROJECT)
        if not holders.filter(id=holder_id, account_id=account_id).exists():
            raise ValueError("the new holder is not this account's")
        known = Spender.objects.filter(account_id=account_id)
        level = set(known.filter(id__in=spender_ids).values_list("id", flat=True))
        changed: set[int] = set()
        while level:
            changed |= level
            known.filter(id__in=level).update(holder_id=holder_id)
            level = set(known.filter(parent__in=level).values_list("id", flat=True))
        return changed
