"""Everything the ledger can refuse, as one tree."""

from __future__ import annotations


class LedgerError(Exception):
    """Base of all."""


class LedgerUnavailable(LedgerError):
    """The database is gone, locked for too long, or refused the transaction. The order
    may be given again; whether it was carried out is not known."""


class NothingWritten(LedgerUnavailable):
    """The order was surely not carried out: it failed before its first change."""


class AccountLocked(NothingWritten):
    """Somebody else keeps locked what the order needs, its account's row for one. The
    orders of other accounts are not touched."""


class Refusal(LedgerError):
    """One order understood and declined: nothing was written, and its neighbours in
    the batch are not touched."""


class InsufficientCredits(Refusal):
    """Available < required, in microcredits, and no running call will free it."""

    def __init__(
        self, *, required_micros: int, available_micros: int, held_micros: int
    ) -> None:
        super().__init__(
            f"{required_micros} required, {available_micros} available, "
            f"{held_micros} held"
        )
        self.required_micros = required_micros
        self.available_micros = available_micros
        self.held_micros = held_micros


class CreditsOnHold(InsufficientCredits):
    """Not now: what running calls hold back would be enough."""


class AccountClosed(Refusal):
    """The organization is suspended."""


class DebtUnpaid(Refusal):
    """The organization owes so many microcredits: it pays them first."""

    def __init__(self, owed_micros: int) -> None:
        super().__init__(f"{owed_micros} owed")
        self.owed_micros = owed_micros


class OrganizationPaused(Refusal):
    """The operator bore too much for it today, and has not looked yet."""


class ModelPaused(Refusal):
    """The same, of a model of an operation: others of the organization go on."""


class SpenderClosed(Refusal):
    """The key was revoked, has expired, or is not this account's."""


class UnknownHold(Refusal):
    """No such hold in that account."""


class HoldExists(Refusal):
    """A hold's id names one call for ever; this one came with other particulars."""


class AttemptExists(Refusal):
    """The request was sent before, and its earlier attempts have to be looked at."""

    def __init__(self, hold_ids: frozenset[str]) -> None:
        super().__init__(f"attempts at the same request: {len(hold_ids)}")
        self.hold_ids = hold_ids


class Overtaken(Refusal):
    """While this attempt waited, a later one at the same request was placed."""


class ReferenceConflict(LedgerError):
    """The idempotency reference was used for another input."""
