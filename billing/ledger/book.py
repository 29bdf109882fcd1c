"""The working set of one transaction: locked rows, and what is to be written.

`store.load` fills a Book, `rules.apply` decides order by order, and `store.save`
writes what changed with a constant number of statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing.ledger import lots
from billing.ledger.attempts import AttemptRow
from billing.ledger.bounds import Bounds
from billing.ledger.rows import AccountRow, HoldRow, LotRow
from billing.models.account import AccountKind
from billing.models.transfer import TransferKind
from billing.values.ids import id_for, new_id
from billing.values.orders import Usage

New = dict[str, Any]  # a row to be written: column → value

# Which transfer of its hold each kind is.
PLACES = {TransferKind.USAGE: 1, TransferKind.ABSORB: 2}


@dataclass(slots=True)
class Book:
    """Rows under lock by id, and new rows. Only `move` changes a balance."""

    now: datetime
    accounts: dict[int, AccountRow] = field(default_factory=dict)
    lots: dict[int, list[LotRow]] = field(default_factory=dict)  # in burn order
    holds: dict[str, HoldRow] = field(default_factory=dict)
    open_spenders: dict[int, int] = field(default_factory=dict)  # spender → account
    attempts: list[AttemptRow] = field(default_factory=list)
    transfers: list[New] = field(default_factory=list)
    entries: list[New] = field(default_factory=list)
    usage: list[New] = field(default_factory=list)
    components: list[New] = field(default_factory=list)
    bounds: Bounds = field(default_factory=Bounds)

    def lots_of(self, account_id: int) -> Sequence[LotRow]:
        return self.lots.get(account_id, ())

    def available_micros(self, account_id: int) -> int:
        return lots.available_micros(self.lots_of(account_id))

    def hold_more(self, account_id: int, micros: int) -> None:
        account = self.accounts[account_id]
        account.held_micros += micros
        account.changed = True

    def system_account(self, kind: AccountKind) -> AccountRow:
        """The operator's account of that kind, which must be under lock."""
        return next(row for row in self.accounts.values() if row.kind == kind)

    def charge(self, hold: HoldRow, charged: int, absorbed: int) -> None:
        """Post what the account and what the operator pays for the hold's call."""
        account = self.accounts[hold.account_id]
        usage_id = account.usage_account_id
        if usage_id is None:
            raise ValueError(f"account {account.id} cannot be charged")
        if charged:
            self.move(
                TransferKind.USAGE, account.id, usage_id, charged, hold_id=hold.id
            )
        if absorbed:
            bearer = self.system_account(AccountKind.ABSORBED)
            self.move(
                TransferKind.ABSORB, bearer.id, usage_id, absorbed, hold_id=hold.id
            )

    def record(
        self,
        hold: HoldRow,
        usage: Usage,
        flags: Sequence[str],
        charged: int = 0,
        absorbed: int = 0,
    ) -> None:
        """Note what the hold's call used, and what was paid for it by whom."""
        self.usage.append(
            {
                "hold_id": hold.id,
                "account_id": hold.account_id,
                "spender_id": hold.spender_id,
                "operation": hold.operation,
                "model": hold.model,
                "basis": usage.basis,
                "upstream_micros": usage.upstream_micros,
                "price_micros": charged + absorbed,
                "charged_micros": charged,
                "absorbed_micros": absorbed,
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
                "upstream_id": usage.upstream_id,
                "streamed": usage.streamed,
                "duration_ms": usage.duration_ms,
                "flags": " ".join(flags),
            }
        )
        self.components += [
            {"usage_id": hold.id, "name": name, "upstream_micros": micros}
            for name, micros in usage.components.items()
        ]

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
    ) -> str:
        """One transfer with its two entries, and its id; both accounts must be under
        lock."""
        transfer_id = id_for(hold_id, PLACES[kind]) if hold_id else new_id()
        self.transfers.append(
            {
                "id": transfer_id,
                "kind": kind.value,
                "source_id": source_id,
                "destination_id": destination_id,
                "amount_micros": amount,
                "reference": reference or f"{kind.value}:{hold_id}",
                "fingerprint": fingerprint,
                "hold_id": hold_id,
            }
        )
        for account_id, signed in ((source_id, -amount), (destination_id, amount)):
            account = self.accounts[account_id]
            account.balance_micros += signed
            account.version += 1
            account.changed = True
            self.entries.append(
                {
                    "account_id": account_id,
                    "version": account.version,
                    "transfer_id": transfer_id,
                    "amount_micros": signed,
                    "balance_after_micros": account.balance_micros,
                }
            )
        return transfer_id
