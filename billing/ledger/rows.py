"""Rows that the Book may change; their fields have the names of their columns.

Times are texts, as `dialect.moment` writes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from billing.models.hold import HoldState

Parts = list[tuple[int, int]]  # of several grants: the grant's id, micros of it
Pair = tuple[int, int]  # a window of a budget: the budget's id, when it begins


@dataclass(slots=True)
class AccountRow:
    """An account under lock. `now` is when it was locked."""

    id: int
    kind: str
    is_open: bool
    usage_account_id: int | None
    price_factor_ppm: int
    balance_micros: int
    held_micros: int
    version: int
    tenant_id: int | None
    acts: int
    chain: str | None
    last_entry_at: str | None
    owed_micros: int
    now: str
    changed: bool = False

    @property
    def stamp(self) -> str:
        """The time of its next entry: never before its last one, whatever a clock that
        was set back says."""
        return max(self.now, self.last_entry_at or "")


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


@dataclass(frozen=True, slots=True)
class SpenderRow:
    """One that may spend, and what stands above it, as all of it is called now."""

    id: int
    account_id: int
    label: str
    project_id: int | None
    project_label: str
    holder_id: int | None
    holder_label: str


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
    lease_id: str | None
    placed_at: str
    due_at: str
    changed_at: str | None = None
    reason: str = ""
    pins: Parts = field(default_factory=list)
    is_overdue: bool = False
    bound_micros: int = 0
    shape: str = ""
    is_untried: bool = False
    project_id: int | None = None
    holder_id: int | None = None
    spender_label: str = ""
    project_label: str = ""
    holder_label: str = ""
    client: str = ""
    client_version: str = ""
    session: str = ""
    budgets: list[Pair] = field(default_factory=list)
    envelope_id: str | None = None
    is_envelope: bool = False
    seal: str | None = None
    is_new: bool = False
    changed: bool = False

    @property
    def pins_text(self) -> str:
        """As JSON has them."""
        return f"[{','.join([f'[{grant},{micros}]' for grant, micros in self.pins])}]"

    @property
    def budgets_text(self) -> str:
        return f"[{','.join([f'[{budget},{at}]' for budget, at in self.budgets])}]"

    @property
    def is_open(self) -> bool:
        return self.state == HoldState.OPEN

    @property
    def is_resolved(self) -> bool:
        return self.state in (HoldState.SETTLED, HoldState.RELEASED)
