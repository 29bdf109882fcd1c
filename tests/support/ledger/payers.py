"""A customer as the ledger sees one: an organization's account and one spender."""

from __future__ import annotations

import itertools
import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from billing import accounts, grants, holds, spenders
from billing.models import Account, Grant
from billing.models.grant import GrantSource
from billing.reports import activity
from billing.reports.activity import Wanted
from billing.reports.balance import balance_of
from billing.reports.calls import CallReport
from billing.reports.usage import Chosen
from billing.values import clock
from billing.values.errors import LedgerError
from billing.values.orders import (
    Doubt,
    Entrust,
    Entrusted,
    Order,
    Place,
    Placed,
    R,
    Release,
    Resolved,
    Settle,
    Usage,
)
from billing.verification.report import verify

_numbers = itertools.count(1)


def used(cost_micros: int, **more: Any) -> Usage:
    """Usage as a good upstream reports it."""
    return Usage(
        **{
            "basis": "upstream",
            "cost_micros": cost_micros,
            "upstream_micros": cost_micros,
            **more,
        }
    )


def committed(order: Order[R]) -> R | LedgerError:
    """The outcome of one order in a transaction of its own."""
    (outcome,) = holds.commit([order])
    return outcome


def calls_of(account_id: int, *, limit: int = 20) -> list[CallReport]:
    """The newest first."""
    return activity.page(Wanted(Chosen(account_id)), limit).calls


@dataclass(eq=False)
class Payer:
    """What one organization does, in as few words as a test needs."""

    account_id: int
    spender_id: int

    @classmethod
    def open(cls, *, credits: int = 0, price_factor_ppm: int = 1_000_000) -> Payer:
        """A new one; `credits` are microcredits in a first grant without expiry."""
        label = f"customer {next(_numbers)}"
        account = accounts.open_organization(label, price_factor_ppm=price_factor_ppm)
        customer = cls(account.id, spenders.open_spender(account.id, label).id)
        if credits:
            customer.grant(credits)
        return customer

    def grant(
        self,
        micros: int,
        *,
        reference: str = "",
        source: str = GrantSource.PURCHASE,
        priority: int = 50,
        expires_at: datetime | None = None,
    ) -> Grant:
        return grants.issue(
            self.account_id,
            micros,
            source=source,
            reference=reference or f"test:{uuid.uuid4()}",
            priority=priority,
            expires_at=expires_at,
        )

    def order(self, bound_micros: int, **particulars: Any) -> Place:
        """The order for a hold, not yet committed."""
        usual: dict[str, Any] = {
            "hold_id": uuid.uuid4().hex,
            "account_id": self.account_id,
            "spender_id": self.spender_id,
            "operation": "chat.completions",
            "model": "openai/gpt-4o",
            "due_at": clock.now() + timedelta(minutes=15),
            "shape": uuid.uuid4().hex,  # what it costs teaches no other call
        }
        return Place(bound_micros=bound_micros, **(usual | particulars))

    def place(self, bound_micros: int, **particulars: Any) -> Placed | LedgerError:
        return committed(self.order(bound_micros, **particulars))

    def hold(self, bound_micros: int, **particulars: Any) -> str:
        """The id of a hold that stands."""
        placed = self.place(bound_micros, **particulars)
        assert isinstance(placed, Placed), placed
        return placed.hold_id

    def entrust(
        self, hold_id: str, bound_micros: int, due_at: datetime | None = None
    ) -> Entrusted:
        due_at = due_at or clock.now() + timedelta(days=1)
        entrusted = committed(Entrust(hold_id, self.account_id, due_at, bound_micros))
        assert isinstance(entrusted, Entrusted), entrusted
        return entrusted

    def settle(self, hold_id: str, cost_micros: int, **usage: Any) -> Resolved:
        settled = committed(
            Settle(hold_id, self.account_id, used(cost_micros, **usage))
        )
        assert isinstance(settled, Resolved), settled
        return settled

    def release(self, hold_id: str, reason: str = "upstream_refused") -> Resolved:
        released = committed(Release(hold_id, self.account_id, reason))
        assert isinstance(released, Resolved), released
        return released

    def doubt(self, hold_id: str, reason: str = "upstream_lost") -> Resolved:
        doubted = committed(Doubt(hold_id, self.account_id, reason))
        assert isinstance(doubted, Resolved), doubted
        return doubted

    def call(self, cost_micros: int, **usage: Any) -> str:
        """A whole call at exactly its bound; the hold's id."""
        hold_id = self.hold(cost_micros)
        self.settle(hold_id, cost_micros, **usage)
        return hold_id

    def figures(self) -> tuple[int, int, int]:
        """Balance, held, available."""
        found = balance_of(self.account_id)
        return found.balance_micros, found.held_micros, found.available_micros

    def lots(self) -> list[tuple[int, int]]:
        """What remains of each grant, oldest first, and how much of that is held."""
        found = Grant.objects.filter(account_id=self.account_id).order_by("id")
        return list(found.values_list("remaining_micros", "held_micros"))


def system_balance(kind: str) -> int:
    """The balance of one of the operator's own accounts."""
    return Account.objects.get(kind=kind).balance_micros


def doubts() -> dict[str, str]:
    """The holds that verification lists as in doubt, and their states."""
    found = {}
    for each in verify().findings:
        if each.code == "IN_DOUBT":
            hold_id, state = re.findall(r"(?:hold|state)=(\S+)", each.detail)
            found[uuid.UUID(hold_id).hex] = state
    return found


def wrong_in_the_ledger() -> list[str]:
    """The codes of all errors that verification finds."""
    report = verify()
    return [each.code for each in report.findings if each.severity == "error"]
