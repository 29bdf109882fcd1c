"""Rows that the Book may change; their fields have the names of their columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from billing.models.hold import HoldState


@dataclass(slots=True)
class AccountRow:
    """An account under lock."""

    id: int
    kind: str
    is_open: bool
    usage_account_id: int | None
    price_factor_ppm: int
    balance_micros: int
    held_micros: int
    version: int
    changed: bool = False


@dataclass(slots=True)
class LotRow:
    """A grant with credits left; `usable` is false once it has expired."""

    id: int
    account_id: int
    remaining_micros: int
    held_micros: int
    usable: bool
    changed: bool = False

    @property
    def free_micros(self) -> int:
        return self.remaining_micros - self.held_micros


@dataclass(slots=True)
class HoldRow:
    """A hold as it is, or as it will be written."""

    id: str
    account_id: int
    spender_id: int
    state: str
    amount_micros: int
    price_factor_ppm: int
    operation: str
    model: str
    lease_id: str | None = None
    is_overdue: bool = False
    bound_micros: int = 0
    shape: str = ""
    is_untried: bool = False
    pins: list[tuple[int, int]] = field(default_factory=list)  # grant id, micros
    reason: str = ""
    due_at: datetime | None = None  # of a new one, or of one that is entrusted
    is_new: bool = False
    changed: bool = False
    entrusted: bool = False
    raised: bool = False

    @property
    def is_resolved(self) -> bool:
        return self.state in (HoldState.SETTLED, HoldState.RELEASED)
