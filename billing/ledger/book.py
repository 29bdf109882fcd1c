"""The working set of one transaction: locked rows, and what is to be written.

`store.load` fills a Book, `rules.apply` decides order by order, and `store.save`
writes what changed with a constant number of statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain

from billing.ledger import facts, lots
from billing.ledger.attempts import AttemptRow
from billing.ledger.bounds import Bounds
from billing.ledger.budgets import Budgets
from billing.ledger.facts import New
from billing.ledger.rows import AccountRow, HoldRow, LotRow, Parts, SpenderRow
from billing.models.account import AccountKind
from billing.models.act import ActKind
from billing.models.caller import CALLER
from billing.models.transfer import TransferKind
from billing.values.ids import id_for, new_id
from billing.values.orders import Usage

Mark = tuple[int, int, int, int, int]

# Which transfer of its hold, correction or amendment each kind is.
PLACES = {
    TransferKind.USAGE: 1,
    TransferKind.ABSORB: 2,
    TransferKind.REFUND: 3,
    TransferKind.RELIEF: 4,
    TransferKind.CREDIT: 5,
    TransferKind.DEBIT: 6,
    TransferKind.REVERSAL: 7,
    TransferKind.CLAWBACK: 8,
    TransferKind.DEBT: 9,
    TransferKind.WRITE_OFF: 10,
}


@dataclass(slots=True)
class Book:
    """Rows under lock by id, and new rows. Only `move` changes a balance."""

    accounts: dict[int, AccountRow] = field(default_factory=dict)
    lots: dict[int, list[LotRow]] = field(default_factory=dict)  # in burn order
    holds: dict[str, HoldRow] = field(default_factory=dict)
    open_spenders: dict[int, SpenderRow] = field(default_factory=dict)
    runs: dict[int, str] = field(default_factory=dict)  # a run's spender → its hold
    budgets: Budgets = field(default_factory=Budgets)
    attempts: list[AttemptRow] = field(default_factory=list)
    transfers: list[New] = field(default_factory=list)
    entries: list[New] = field(default_factory=list)
    burns: list[New] = field(default_factory=list)
    usage: list[New] = field(default_factory=list)
    components: list[New] = field(default_factory=list)
    bounds: Bounds = field(default_factory=Bounds)
    acts: list[New] = field(default_factory=list)
    # What is said of holds that have ended: new rows, and those that are posted now.
    new_corrections: list[New] = field(default_factory=list)
    ended_corrections: list[New] = field(default_factory=list)
    # The prices that were said of an ended hold, null for a mere sign of life.
    said: dict[str, set[object]] = field(default_factory=dict)
    # What an organization does in one transaction happens at one moment.
    _times: dict[int, str] = field(default_factory=dict)

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

    def time_of(self, account_id: int) -> str:
        """When what is done to this organization now is done: under its lock, and
        never before an earlier entry of one of its accounts."""
        found = self._times.get(account_id)
        if found is None:
            account = self.accounts[account_id]
            usage = self.accounts.get(account.usage_account_id or 0, account)
            found = self._times[account_id] = max(account.stamp, usage.stamp)
        return found

    def moment_of(self, account_id: int) -> datetime:
        """`time_of`, to reckon with."""
        return datetime.fromisoformat(self.time_of(account_id)).replace(tzinfo=UTC)

    def mark(self) -> Mark:
        """Where the rows of an act begin."""
        return (
            len(self.usage),
            len(self.components),
            len(self.transfers),
            len(self.entries),
            len(self.burns),
        )

    def _texts_since(self, mark: Mark) -> list[str]:
        usage, components, transfers, entries, burns = mark
        return [
            *map(facts.USAGE.text, self.usage[usage:]),
            *map(facts.COMPONENT.text, self.components[components:]),
            *map(facts.TRANSFER.text, self.transfers[transfers:]),
            *map(facts.ENTRY.text, self.entries[entries:]),
            *map(facts.BURN.text, self.burns[burns:]),
        ]

    def act(
        self,
        kind: ActKind,
        account_id: int,
        subject_id: str,
        texts: Sequence[str],
        since: Mark | None = None,
    ) -> None:
        """Link what was done to the account's chain: `texts`, and all rows `since`."""
        written = self._texts_since(since) if since else []
        digest = facts.digest_of([*texts, *written])
        account = self.accounts[account_id]
        account.acts += 1
        account.chain = facts.linked(
            account.chain or "", account.acts, kind.value, subject_id, digest
        )
        account.changed = True
        self.acts.append(
            {
                "account_id": account_id,
                "number": account.acts,
                "kind": kind.value,
                "subject_id": subject_id,
                "digest": digest,
                "chain": account.chain,
            }
        )

    def prices_said(self, hold_id: str) -> set[object]:
        """Of a hold that has ended, maybe in this very batch."""
        if hold_id not in self.said:
            charged = [r["price_micros"] for r in self.usage if r["hold_id"] == hold_id]
            self.said[hold_id] = set(charged or [0])
        return self.said[hold_id]

    def charge(
        self,
        hold: HoldRow,
        charged: int,
        absorbed: int,
        burnt: Sequence[Parts],
        correction_id: str | None = None,
    ) -> None:
        """Post what the account, out of which grants, and what the operator pays for
        the hold's call."""
        account = self.accounts[hold.account_id]
        usage_id = account.usage_account_id
        if usage_id is None:
            raise ValueError(f"account {account.id} cannot be charged")
        move = partial(self.move, hold_id=hold.id, correction_id=correction_id)
        if charged:
            paid = move(TransferKind.USAGE, account.id, usage_id, charged)
            self.burn(paid, *burnt)
        if absorbed:
            bearer = self.system_account(AccountKind.ABSORBED)
            move(TransferKind.ABSORB, bearer.id, usage_id, absorbed)

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
                "settled_at": self.time_of(hold.account_id),
                **{name: getattr(hold, name) for name in CALLER},
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
        correction_id: str | None = None,
        reference: str = "",
        fingerprint: str = "",
    ) -> str:
        """One transfer with its two entries, and its id; both accounts must be under
        lock."""
        of = correction_id or hold_id
        transfer_id = id_for(of, PLACES[kind]) if of else new_id()
        source, destination = self.accounts[source_id], self.accounts[destination_id]
        tenant_id = source.tenant_id or destination.tenant_id
        assert tenant_id is not None, "every transfer is some organization's"
        at = self.time_of(tenant_id)
        self.transfers.append(
            {
                "id": transfer_id,
                "kind": kind.value,
                "source_id": source_id,
                "source_kind": source.kind,
                "source_tenant_id": source.tenant_id,
                "destination_id": destination_id,
                "destination_kind": destination.kind,
                "destination_tenant_id": destination.tenant_id,
                "amount_micros": amount,
                "reference": reference or f"{kind.value}:{of}",
                "fingerprint": fingerprint,
                "hold_id": hold_id,
                "correction_id": correction_id,
                "created_at": at,
            }
        )
        for account, signed in ((source, -amount), (destination, amount)):
            account.last_entry_at = max(at, account.stamp)
            account.balance_micros += signed
            account.version += 1
            account.changed = True
            self.entries.append(
                {
                    "account_id": account.id,
                    "version": account.version,
                    "transfer_id": transfer_id,
                    "amount_micros": signed,
                    "balance_after_micros": account.balance_micros,
                    "created_at": account.last_entry_at,
                }
            )
        return transfer_id

    def burn(self, transfer_id: str, *parts: Parts) -> None:
        """Note which grants the transfer's credits were taken from; less than nothing
        where they go back."""
        of_grant: dict[int, int] = {}
        for grant_id, micros in chain.from_iterable(parts):
            of_grant[grant_id] = of_grant.get(grant_id, 0) + micros
        self.burns += [
            {"transfer_id": transfer_id, "grant_id": grant_id, "amount_micros": micros}
            for grant_id, micros in of_grant.items()
        ]
