"""Everything the ledger can refuse, as one tree.

LedgerError
├── LedgerUnavailable        the database did not answer; the order may be given again
├── Refusal                 the order was understood and declined; nothing was written
│   ├── InsufficientCredits   available < required, and no running call will free it
│   ├── CreditsOnHold         enough once running calls settle
│   ├── AccountClosed         the organization is suspended
│   ├── SpenderClosed         the key was revoked, has expired, or is not this account's
│   ├── UnknownHold           no such hold in that account
│   └── HoldExists            the id was used before, with other particulars
└── ReferenceConflict       same idempotency reference, other input
"""

from __future__ import annotations


class LedgerError(Exception):
    """Base of all; `code` is stable and may be shown to a caller."""

    code = "ledger_error"


class LedgerUnavailable(LedgerError):
    """The database is gone, locked for too long, or refused the transaction."""

    code = "ledger_unavailable"


class Refusal(LedgerError):
    """One order declined; its neighbours in the batch are not touched."""

    code = "refused"


class InsufficientCredits(Refusal):
    """All amounts in microcredits."""

    code = "insufficient_credits"

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

    code = "credits_on_hold"


class AccountClosed(Refusal):
    """The account takes no new holds."""

    code = "account_closed"


class SpenderClosed(Refusal):
    """The spender takes no new holds."""

    code = "spender_closed"


class UnknownHold(Refusal):
    """There is nothing to resolve under this id."""

    code = "unknown_hold"


class HoldExists(Refusal):
    """A hold's id names one call for ever."""

    code = "hold_exists"


class ReferenceConflict(LedgerError):
    """The reference was used for something else."""

    code = "reference_conflict"
