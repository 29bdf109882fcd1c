"""Runs: credits set aside for the calls of one spender, out of its parent's budgets and
balance, and given back when the run ends.

An envelope is a hold of its own kind. Its spender's calls take their holds out of it,
and so do envelopes inside it; what they do not use returns to it while it is open, else
to what it was taken from.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Run:
    """An envelope as it stands now; amounts in microcredits."""

    envelope_id: UUID  # its hold's
    account_id: int
    spender_id: int  # who spends it
    parent_spender_id: int
    parent_envelope_id: UUID | None  # of which it is part
    label: str
    model_pattern: str
    credits_micros: int  # all that was put in
    left_micros: int  # free for new calls; after its end, what was given back
    held_micros: int  # by its open calls and the envelopes inside it
    spent_micros: int  # by its own calls and those inside it, corrections too
    created_at: datetime
    expires_at: datetime
    closed_at: datetime | None  # closed or expired
    status: str  # "open", "closed" or "expired"


def open_envelope(
    envelope_id: UUID,
    parent_spender_id: int,
    credits_micros: int,
    *,
    expires_at: datetime,
    label: str = "",
    model_pattern: str = "",
) -> Run:
    """Set the credits aside and open a spender for them, in the caller's transaction if
    there is one. Once for each `envelope_id`: a repeat finds the first. It expires with
    its parent at the latest.

    Raises: ValueError for an amount outside 1 … 10^15, a time that is past, a pattern
    or a label that is too long; AccountClosed, SpenderClosed, EnvelopeClosed; HoldExists
    for an id of something else; EnvelopeExhausted, BudgetExceeded, InsufficientCredits,
    CreditsOnHold.
    """
    raise NotImplementedError


def add_credits(envelope_id: UUID, micros: int, *, times: int | None = None) -> Run:
    """So much more, checked like the first. `times`: see `Run`; never twice.

    Raises: as `open_envelope`; UnknownHold.
    """
    raise NotImplementedError


def close(envelope_id: UUID) -> Run:
    """End it, and all inside it; what is left goes back. Calls that run end as they
    would. Of one that has ended, as it is. Raises: UnknownHold."""
    raise NotImplementedError


def look(envelope_id: UUID) -> Run:
    """Raises: UnknownHold."""
    raise NotImplementedError


def look_at_all(parent_spender_id: int) -> list[Run]:
    """Those that this spender has opened, the latest first."""
    raise NotImplementedError


def expire_due() -> int:
    """Close what has expired, for the timetable; how many. The next hold of an account
    does it for that account, too."""
    raise NotImplementedError
