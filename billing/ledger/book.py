"""The rules of money, in memory: one batch of orders against the rows they touch.

`store.load` fills a Book with locked rows, `apply` decides order by order, and
`store.save` writes what changed with a constant number of statements. There is no
database in this file, so every rule can be read, and tested, as plain Python.

In each function all refusals come first; below the line `effects` nothing may fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing.ledger.rows import (
    AccountRow,
    EntryRow,
    HoldRow,
    LotRow,
    TransferRow,
    UsageRow,
)
from billing.models.account import AccountKind
from billing.models.hold import HoldState
from billing.models.transfer import TransferKind
from billing.models.usage import Basis
from billing.values import errors
from billing.values.amounts import price_of
from billing.values.ids import id_for, new_id
from billing.values.orders import (
    AMOUNT_MICROS_MAX,
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
)

# Which transfer of its hold each kind is.
PLACES = {TransferKind.USAGE: 1, TransferKind.ABSORB: 2}


def _is_spared(hold: HoldRow, order: Doubt) -> bool:
    """Whether the hold was due when the sweep looked, but is not any more."""
    is_abandoned = hold.lease_id is not None and hold.lease_id == order.dead_lease_id
    return order.only_if_due and not (hold.is_overdue or is_abandoned)


@dataclass(slots=True)
class Book:
    """The working set of one transaction."""

    now: datetime
    accounts: dict[int, AccountRow] = field(default_factory=dict)
    # In burn order within an account: priority, expiry, promotions, oldest.
    lots: dict[int, list[LotRow]] = field(default_factory=dict)
    holds: dict[str, HoldRow] = field(default_factory=dict)
    open_spenders: dict[int, int] = field(default_factory=dict)  # spender → account
    transfers: list[TransferRow] = field(default_factory=list)
    entries: list[EntryRow] = field(default_factory=list)
    usage: list[UsageRow] = field(default_factory=list)

    def apply(self, order: Order[R]) -> R | errors.LedgerError:
        """Carry out one order; a refusal comes back as a value, not raised."""
        rule: Callable[[Book, Order[R]], R] = RULES[type(order)]
        try:
            return rule(self, order)
        except errors.Refusal as refusal:
            return refusal

    def available_micros(self, account_id: int) -> int:
        """What a new hold may use: free credits of lots that have not expired."""
        return sum(
            lot.free_micros for lot in self.lots.get(account_id, ()) if lot.usable
        )

    # --- place -----------------------------------------------------------------

    def place(self, order: Place) -> Placed:
        """Raises: HoldExists, AccountClosed, SpenderClosed, InsufficientCredits,
        CreditsOnHold."""
        if not 0 <= order.bound_micros <= AMOUNT_MICROS_MAX:
            raise ValueError(f"bound out of range: {order.bound_micros}")
        if known := self.holds.get(order.hold_id):
            return self._placed_before(order, known)
        account = self.accounts.get(order.account_id)
        if account is None or not account.is_open:
            raise errors.AccountClosed
        if self.open_spenders.get(order.spender_id) != account.id:
            raise errors.SpenderClosed
        amount = price_of(order.bound_micros, account.price_factor_ppm)
        available = self.available_micros(account.id)
        if available < amount:
            raise self._shortfall(account, amount, available)
        # --- effects ---
        hold = HoldRow(
            id=order.hold_id,
            account_id=account.id,
            spender_id=order.spender_id,
            state=HoldState.OPEN.value,
            amount_micros=amount,
            price_factor_ppm=account.price_factor_ppm,
            operation=order.operation,
            model=order.model,
            lease_id=order.lease_id,
            due_at=order.due_at,
            fingerprint=order.fingerprint,
            is_new=True,
        )
        self._pin(hold, amount)
        account.held_micros += amount
        account.changed = True
        self.holds[hold.id] = hold
        return Placed(hold.id, amount, available - amount, account.price_factor_ppm)

    def _placed_before(self, order: Place, known: HoldRow) -> Placed:
        same = (order.account_id, order.spender_id, order.operation, order.model) == (
            known.account_id,
            known.spender_id,
            known.operation,
            known.model,
        )
        if not same:
            raise errors.HoldExists
        available = self.available_micros(known.account_id)
        return Placed(
            known.id,
            known.amount_micros,
            available,
            known.price_factor_ppm,
            repeat=True,
        )

    def _shortfall(
        self, account: AccountRow, required: int, available: int
    ) -> errors.InsufficientCredits:
        lots = self.lots.get(account.id, ())
        returning = sum(lot.held_micros for lot in lots if lot.usable)
        kind = (
            errors.CreditsOnHold
            if available + returning >= required
            else errors.InsufficientCredits
        )
        return kind(
            required_micros=required,
            available_micros=available,
            held_micros=account.held_micros,
        )

    def _pin(self, hold: HoldRow, amount: int) -> None:
        """Hold so much more, in burn order; a lot pinned before keeps its place."""
        pins = dict(hold.pins)
        for lot in self.lots.get(hold.account_id, ()):
            if amount == 0:
                break
            part = min(amount, lot.free_micros) if lot.usable else 0
            if part:
                lot.held_micros += part
                lot.changed = True
                pins[lot.id] = pins.get(lot.id, 0) + part
                amount -= part
        hold.pins = list(pins.items())

    # --- entrust ---------------------------------------------------------------

    def entrust(self, order: Entrust) -> Entrusted:
        """Take an open hold from its process, and raise it if that can be done.
        Raises: UnknownHold, and ValueError for a senseless bound."""
        if not 0 <= order.bound_micros <= AMOUNT_MICROS_MAX:
            raise ValueError(f"bound out of range: {order.bound_micros}")
        hold = self._known(order.hold_id, order.account_id)
        available = self.available_micros(hold.account_id)
        if hold.state != HoldState.OPEN:
            return Entrusted(hold.id, hold.amount_micros, available, repeat=True)
        more = price_of(order.bound_micros, hold.price_factor_ppm) - hold.amount_micros
        until = max(hold.entrusted_until or order.due_at, order.due_at)
        # --- effects ---
        hold.lease_id, hold.entrusted_until = None, until
        hold.is_overdue = hold.is_overdue and until < self.now
        if 0 < more <= available:
            self._pin(hold, more)
            hold.amount_micros += more
            hold.raised = True
            account = self.accounts[hold.account_id]
            account.held_micros += more
            account.changed = True
            available -= more
        return Entrusted(hold.id, hold.amount_micros, available)

    # --- resolve ---------------------------------------------------------------

    def settle(self, order: Settle) -> Resolved:
        """Charge what was used: from the hold, then from what is available, and what
        is still missing is borne by the operator (`absorbed`), never by a negative
        balance. Raises: UnknownHold, and ValueError for a senseless cost."""
        hold = self._known(order.hold_id, order.account_id)
        if hold.state in (HoldState.SETTLED, HoldState.RELEASED):
            return self._resolved_before(hold)
        if not 0 <= order.usage.cost_micros <= AMOUNT_MICROS_MAX:
            raise ValueError(f"cost out of range: {order.usage.cost_micros}")
        price = price_of(order.usage.cost_micros, hold.price_factor_ppm)
        # --- effects ---
        captured = min(price, hold.amount_micros)
        self._unpin(hold, captured)
        excess = price - captured
        overage = self._burn(hold.account_id, excess) if excess else 0
        absorbed = excess - overage
        self._charge(hold, captured + overage, absorbed)
        flags = order.usage.flags + (("hold_overrun",) if excess else ())
        self.usage.append(
            UsageRow(
                hold,
                order.usage,
                price_micros=price,
                charged_micros=captured + overage,
                absorbed_micros=absorbed,
                flags=" ".join(flags),
            )
        )
        self._close(hold, HoldState.SETTLED, order.reason)
        return self._outcome(hold, captured + overage, absorbed)

    def release(self, order: Release) -> Resolved:
        """Return the whole hold. Raises: UnknownHold."""
        hold = self._known(order.hold_id, order.account_id)
        if hold.state in (HoldState.SETTLED, HoldState.RELEASED):
            return self._resolved_before(hold)
        usage = order.usage
        if usage and (usage.cost_micros or usage.basis != Basis.IN_DOUBT):
            raise ValueError("a release carries no charge: settle instead")
        # --- effects ---
        self._unpin(hold, 0)
        self._close(hold, HoldState.RELEASED, order.reason)
        if usage:
            self.usage.append(UsageRow(hold, usage, 0, 0, 0, " ".join(usage.flags)))
        return self._outcome(hold, 0, 0)

    def doubt(self, order: Doubt) -> Resolved:
        """Mark an open hold; its credits stay held. Raises: UnknownHold."""
        hold = self._known(order.hold_id, order.account_id)
        if hold.state != HoldState.OPEN or _is_spared(hold, order):
            return self._resolved_before(hold)
        # --- effects ---
        hold.state, hold.reason, hold.changed = (
            HoldState.IN_DOUBT.value,
            order.reason,
            True,
        )
        return self._outcome(hold, 0, 0)

    def _known(self, hold_id: str, account_id: int) -> HoldRow:
        hold = self.holds.get(hold_id)
        if hold is None or hold.account_id != account_id:
            raise errors.UnknownHold
        return hold

    def _resolved_before(self, hold: HoldRow) -> Resolved:
        return Resolved(
            hold_id=hold.id,
            state=hold.state,
            held_micros=hold.amount_micros,
            charged_micros=0,
            absorbed_micros=0,
            available_micros=self.available_micros(hold.account_id),
            repeat=True,
        )

    def _outcome(self, hold: HoldRow, charged: int, absorbed: int) -> Resolved:
        return Resolved(
            hold_id=hold.id,
            state=hold.state,
            held_micros=hold.amount_micros,
            charged_micros=charged,
            absorbed_micros=absorbed,
            available_micros=self.available_micros(hold.account_id),
        )

    def _close(self, hold: HoldRow, state: HoldState, reason: str) -> None:
        account = self.accounts[hold.account_id]
        account.held_micros -= hold.amount_micros
        account.changed = True
        hold.state, hold.reason, hold.changed = state.value, reason, True

    def _unpin(self, hold: HoldRow, captured: int) -> None:
        """Free the hold's lots, keeping `captured` of them, first pinned first."""
        lots = {lot.id: lot for lot in self.lots[hold.account_id]} if hold.pins else {}
        for grant_id, pinned in hold.pins:
            lot = lots[grant_id]
            taken = min(captured, pinned)
            lot.held_micros -= pinned
            lot.remaining_micros -= taken
            lot.changed = True
            captured -= taken

    def _burn(self, account_id: int, amount: int) -> int:
        """Take up to `amount` from free credits; how much there was."""
        taken = 0
        for lot in self.lots.get(account_id, ()):
            part = min(amount - taken, lot.free_micros) if lot.usable else 0
            if part:
                lot.remaining_micros -= part
                lot.changed = True
                taken += part
        return taken

    def system_account(self, kind: AccountKind) -> AccountRow:
        """The operator's account of that kind, which must be under lock."""
        return next(row for row in self.accounts.values() if row.kind == kind)

    # --- movements ---------------------------------------------------------------

    def _charge(self, hold: HoldRow, charged: int, absorbed: int) -> None:
        account = self.accounts[hold.account_id]
        usage_account = account.usage_account_id
        if usage_account is None:
            raise ValueError(f"account {account.id} cannot be charged")
        if charged:
            self.move(
                TransferKind.USAGE, account.id, usage_account, charged, hold_id=hold.id
            )
        if absorbed:
            self.move(
                TransferKind.ABSORB,
                self.system_account(AccountKind.ABSORBED).id,
                usage_account,
                absorbed,
                hold_id=hold.id,
            )

    def move(
        self,
        kind: TransferKind,
        source_id: int,
        destination_id: int,
        amount: int,
        *,
        hold_id: str | None = None,
        reference: str = "",
        fingerprint: str = "",
    ) -> TransferRow:
        """One transfer with its two entries; both accounts must be under lock."""
        transfer = TransferRow(
            id=id_for(hold_id, PLACES[kind]) if hold_id else new_id(),
            kind=kind.value,
            source_id=source_id,
            destination_id=destination_id,
            amount_micros=amount,
            reference=reference or f"{kind.value}:{hold_id}",
            fingerprint=fingerprint,
            hold_id=hold_id,
        )
        self.transfers.append(transfer)
        for account_id, signed in ((source_id, -amount), (destination_id, amount)):
            account = self.accounts[account_id]
            account.balance_micros += signed
            account.version += 1
            account.changed = True
            self.entries.append(
                EntryRow(
                    account_id,
                    account.version,
                    transfer.id,
                    signed,
                    account.balance_micros,
                )
            )
        return transfer


RULES: dict[type[Any], Callable[[Book, Any], Any]] = {
    Place: Book.place,
    Entrust: Book.entrust,
    Settle: Book.settle,
    Release: Book.release,
    Doubt: Book.doubt,
}
