"""Everything the ledger can refuse, as one tree."""

from __future__ import annotations

from datetime import datetime


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
    """Available < required, in microcredits, and no running call will free it: what
    runs hold is theirs until they end."""

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


class TooManyCalls(Refusal):
    """As many calls as may run at once already do."""

    def __init__(self, *, level: str, name: str, most: int, running: int) -> None:
        super().__init__(f"{running} of {most} calls run: {level} {name!r}")
        self.level, self.name = level, name
        self.most, self.running = most, running


class EnvelopeClosed(SpenderClosed):
    """The run is closed or has expired, it or one that it is part of."""


class EnvelopeExhausted(Refusal):
    """The run has less left than is required, in microcredits."""

    def __init__(
        self,
        *,
        envelope_id: str,
        required_micros: int,
        left_micros: int,
        parent_left_micros: int,
    ) -> None:
        super().__init__(f"{required_micros} required, {left_micros} left in the run")
        self.envelope_id = envelope_id  # which it is: not always the key's own
        self.required_micros = required_micros
        self.left_micros = left_micros
        # Of the run that it is part of; else what the organization has available.
        self.parent_left_micros = parent_left_micros


class BudgetExceeded(Refusal):
    """A limit of the spender, or of what stands above it, has too little left, in
    microcredits."""

    def __init__(
        self,
        *,
        budget_id: int,
        level: str,
        label: str,
        window: str,
        model_pattern: str,
        operation: str,
        limit_micros: int,
        used_micros: int,
        held_micros: int,
        required_micros: int,
        resets_at: datetime | None,
        of_runs_micros: int = 0,
    ) -> None:
        super().__init__(
            f"{required_micros} required, {used_micros} used and {held_micros} held of "
            f"{limit_micros}: {level} {label!r}, {window}"
        )
        self.budget_id = budget_id
        self.level = level  # `models.budget.Level`
        self.label = label  # the name of whom it binds; "" for the organization
        self.window = window
        self.model_pattern = model_pattern
        self.operation = operation
        self.limit_micros = limit_micros  # with the raises of now
        self.used_micros = used_micros
        self.held_micros = held_micros
        self.of_runs_micros = of_runs_micros  # of what is held: until the runs end
        self.required_micros = required_micros
        self.resets_at = resets_at  # null: never

    @property
    def is_free_soon(self) -> bool:
        """Whether what running calls hold may be all that is in the way."""
        stays = self.used_micros + self.of_runs_micros
        return stays + self.required_micros <= self.limit_micros


class TooManyRuns(Refusal):
    """The key has as many runs open as it may have."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} runs are open")
        self.most = most


class WindowEnded(Refusal):
    """The run counts in a limit's window that has ended: to add to it there would take
    room that was left over then."""

    def __init__(self, *, level: str, label: str, window: str) -> None:
        super().__init__(f"the run counts in a {window} that has ended: {level}")
        self.level, self.label, self.window = level, label, window


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
