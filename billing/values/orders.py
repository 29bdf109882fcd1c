"""What the ledger is asked and what it answers: plain values, no database.

Amounts are integers in microcredits (1 credit = 1,000,000). A *cost* is what the
upstream takes, before the organization's price factor; a *price* is after it. A
*bound* is the most that a call may cost. Ids of holds are UUIDs as 32 hexadecimal
digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

CREDIT = 1_000_000  # microcredits
AMOUNT_MICROS_MAX = 10**15  # a thousand million credits; beyond it is a mistake

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Order(Generic[R_co]):
    """What one hold is to undergo; `R_co` is how the ledger replies to it."""

    hold_id: str
    account_id: int


@dataclass(frozen=True, slots=True)
class Placed:
    """The hold stands. `available_micros` is what is left beside it."""

    hold_id: str
    held_micros: int
    available_micros: int
    price_factor_ppm: int  # agreed for this call
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Entrusted:
    """What is held for the job. A repeat (the hold has ended) changes nothing."""

    hold_id: str
    held_micros: int
    available_micros: int
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """How a hold ended. A repeat changes nothing and charges nothing again."""

    hold_id: str
    state: str
    held_micros: int
    charged_micros: int
    absorbed_micros: int
    available_micros: int
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class AttemptMark:
    """That the call's request may come again, or has come before.

    `fingerprint` tells it from other requests and `content` what it asks, both digests
    of 32 hexadecimal digits; the same unless the client chose a key (`is_keyed`).
    """

    fingerprint: str
    content: str
    is_keyed: bool
    retry_count: int
    arrived: float  # monotonic, in this process
    window_seconds: int  # so long after an attempt's end it is still one
    # Earlier attempts, by their holds' ids, that it may be made beside.
    besides: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AtOnce:
    """How many calls may run at once, and whose: `subject` is `spender:`, `unit:` or
    `account:` with its id; the level and the name are for who is refused."""

    subject: str
    most: int
    level: str
    name: str


@dataclass(frozen=True, slots=True)
class Place(Order[Placed]):
    """Set credits aside for a call that costs at most `bound_micros` by the tariff, and
    for what such calls were seen to cost beyond it (`billing.pricing.lessons`)."""

    spender_id: int
    bound_micros: int
    operation: str
    model: str
    due_at: datetime
    lease_id: str | None = None
    attempt: AttemptMark | None = None
    # What may decide the price beside the number of units, for calls to learn from
    # their like; and what is held while none of them was settled (0: the bound).
    shape: str = ""
    cautious_micros: int = 0
    at_once: tuple[AtOnce, ...] = ()
    # The program that calls, its version, and what it calls its run.
    client: str = ""
    client_version: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class Entrust(Order[Entrusted]):
    """The call became a job: its hold no longer depends on the process that made it.

    The hold leaves its lease, and is due at the later of its own time and `due_at`.
    One in doubt is open again: the job lives. Of one that was released the ledger
    keeps that it does. Where `bound_micros` is more than it holds, it is raised to
    that if so much is available; if not, it stays, and what a settlement does about an
    overrun is all there is.
    """

    due_at: datetime
    bound_micros: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call used, and on what authority (`billing.models.usage.Basis`)."""

    basis: str
    cost_micros: int
    upstream_micros: int | None = None  # what the upstream itself named
    prompt_tokens: int = 0
    completion_tokens: int = 0
    components: Mapping[str, int] = field(default_factory=dict)  # name → micros
    upstream_id: str = ""
    streamed: bool = False
    duration_ms: int = 0
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settle(Order[Resolved]):
    """The call is over and this is what it used: charge it, return the rest.

    When the hold has ended before, at another price, this one is kept for the
    operator.
    """

    usage: Usage
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Release(Order[Resolved]):
    """The call cost nothing: return the whole hold.

    `usage` is given where the call may have cost the operator something that nobody
    can name (basis `in_doubt`, cost 0): it is then listed.
    """

    reason: str
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Doubt(Order[Resolved]):
    """Nobody knows how the call ended: keep the credits held, list it.

    The sweep, which looked before it had the lock, adds `only_if_due`: the hold is
    left alone unless its time is up, or it is still under `dead_lease_id`.
    """

    reason: str
    only_if_due: bool = False
    dead_lease_id: str | None = None


@dataclass(frozen=True, slots=True)
class Withdraw(Order[Resolved]):
    """Nobody knows whether the hold was placed, and its call was not made: return it
    whole if it was; if not, there is nothing to do, and the reply says "released"."""

    reason: str = "not_forwarded"


# What ends a hold, and so can wait in the spool.
Resolution = Settle | Release | Doubt | Withdraw
