"""One call from beginning to end: what happened when, what it took from where, and
which limits it had to pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from billing.ledger import windows
from billing.models import (
    Attempt,
    Budget,
    BudgetWindow,
    Burn,
    Correction,
    Entry,
    Envelope,
    Grant,
    Hold,
    Transfer,
    UsageComponent,
    UsageRecord,
)
from billing.models.correction import CorrectionState
from billing.models.hold import HoldState
from billing.reports.calls import CallReport, calls_with
from billing.reports.entries import position_at
from billing.values.amounts import price_of

# Entries that one transaction writes to an account, at most, by far.
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened; `at` is None where the time of it is not kept."""

    name: str
    at: datetime | None
    micros: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Movement:
    """One transfer of the call. The balance is what the organization had after it; None
    where nothing of its own moved."""

    at: datetime
    kind: str
    amount_micros: int  # signed: what the organization gained
    balance_micros: int | None
    version: int | None
    grants: tuple[tuple[int, str, int], ...]  # id, source, micros that it took of it


@dataclass(frozen=True, slots=True)
class Passed:
    """A limit that the call counts in. The limit is that of now: what it was then is
    not kept; the sums are those of the window that it counts in."""

    budget_id: int
    level: str
    label: str
    window: str
    since: datetime | None  # when its window began; None: from the beginning
    until: datetime | None
    models: str
    limit_micros: int
    spent_micros: int
    is_active: bool


@dataclass(frozen=True, slots=True)
class Story:
    """A call, and all that is known of it beside `CallReport`."""

    call: CallReport
    timeline: tuple[Moment, ...]
    bound_micros: int
    is_untried: bool
    absorbed_micros: int
    first_micros: int | None  # charged when it ended; corrections are beside
    components: tuple[tuple[str, int], ...]  # at the organization's price
    corrections: tuple[Correction, ...]
    movements: tuple[Movement, ...]
    limits: tuple[Passed, ...]
    runs: tuple[Envelope, ...]  # that it was paid from, the innermost first
    others: tuple[CallReport, ...]  # attempts at the same request, the first first
    knows_attempts: bool  # False: they are not kept any more, or never were
    is_job: bool  # no process answers for it any more


def story_of(call: CallReport, account_id: int) -> Story:
    """Raises: Hold.DoesNotExist for a call of another account."""
    hold_id = UUID(call.request_id.removeprefix("req_"))
    calls = Hold.objects.select_related("usage", "account")
    hold = calls.get(id=hold_id, account_id=account_id, is_envelope=False)
    record: UsageRecord | None = getattr(hold, "usage", None)
    said = Correction.objects.filter(hold_id=hold_id).order_by("noted_at", "id")
    corrections = tuple(said)
    attempt = Attempt.objects.filter(hold_id=hold_id).first()
    return Story(
        call=call,
        timeline=tuple(_timeline(hold, record, corrections)),
        bound_micros=price_of(hold.bound_micros, hold.price_factor_ppm),
        is_untried=hold.is_untried,
        absorbed_micros=_absorbed(record, corrections),
        first_micros=record.charged_micros if record else None,
        components=_components(hold),
        corrections=corrections,
        movements=_movements(hold, corrections),
        limits=_limits(hold),
        runs=tuple(_runs(hold)),
        others=_others(attempt),
        knows_attempts=attempt is not None,
        is_job=hold.lease_id is None,
    )


# --- when ---------------------------------------------------------------------------


def _timeline(
    hold: Hold, record: UsageRecord | None, said: Sequence[Correction]
) -> list[Moment]:
    """In the order in which it happened. What is sent, and when the answer came, is
    not written down: how long it took is."""
    found = [
        Moment("received", _made_at(hold.id)),
        Moment("held", hold.placed_at, hold.amount_micros),
    ]
    if hold.state == HoldState.OPEN:
        found.append(Moment("running", None))
    else:
        found.append(Moment("sent", None))
    ended = hold.changed_at
    if record is not None and record.duration_ms:
        found.append(Moment("answered", None, note=str(record.duration_ms)))
    if hold.state == HoldState.IN_DOUBT:
        found.append(Moment("in_doubt", ended, hold.amount_micros, hold.reason))
    elif hold.state == HoldState.RELEASED:
        found.append(Moment("released", ended, hold.amount_micros, hold.reason))
    elif hold.state == HoldState.SETTLED and record is not None:
        settled = Moment("settled", record.settled_at, record.charged_micros)
        found.append(settled)
        back = hold.amount_micros - record.price_micros
        if back > 0:
            found.append(Moment("returned", record.settled_at, back))
    for word in said:
        found.append(Moment("said", word.noted_at, word.said_micros, word.kind))
        if word.state != CorrectionState.PENDING:
            micros = word.charged_micros if word.state == "posted" else None
            found.append(Moment(word.state, word.ended_at, micros, word.reason))
    return found


def _made_at(hold_id: UUID) -> datetime | None:
    """Ids begin with the time at which they were made, by the gateway's clock; those
    that are no such ids say nothing."""
    if hold_id.version != 7:
        return None
    return datetime.fromtimestamp((hold_id.int >> 80) / 1000, UTC)


# --- what it took --------------------------------------------------------------------


def _absorbed(record: UsageRecord | None, said: Sequence[Correction]) -> int:
    first = record.absorbed_micros if record else 0
    return first + sum(word.absorbed_micros for word in said)


def _components(hold: Hold) -> tuple[tuple[str, int], ...]:
    """The upstream's lines at the organization's price: rounded up one by one, they may
    add up to a little more than the call's price."""
    rows = UsageComponent.objects.filter(usage_id=hold.id).order_by("name")
    factor = hold.price_factor_ppm
    return tuple((row.name, price_of(row.upstream_micros, factor)) for row in rows)


def _movements(hold: Hold, said: Sequence[Correction]) -> tuple[Movement, ...]:
    """By the references of its transfers: `usage:<hold>`, `refund:<correction>` …"""
    of = [hold.id.hex, *(word.id.hex for word in said)]
    kinds = ("usage", "absorb", "refund", "relief", "credit")
    names = [f"{kind}:{id_}" for id_ in of for kind in kinds]
    transfers = list(
        Transfer.objects.filter(reference__in=names).order_by("created_at", "id")
    )
    if not transfers:
        return ()
    entries = _entries(hold.account_id, transfers)
    burns: dict[UUID, list[tuple[int, str, int]]] = {}
    rows = Burn.objects.filter(transfer__in=transfers).order_by("grant_id")
    sources = dict(
        Grant.objects.filter(id__in=rows.values("grant_id")).values_list("id", "source")
    )
    for burn in rows:
        line = (burn.grant_id, sources[burn.grant_id], burn.amount_micros)
        burns.setdefault(burn.transfer_id, []).append(line)
    return tuple(
        _movement(each, entries.get(each.id), tuple(burns.get(each.id, ())))
        for each in transfers
    )


def _entries(account_id: int, transfers: Sequence[Transfer]) -> dict[UUID, Entry]:
    """The organization's sides of these transfers. Entries have no index by transfer,
    but their versions go by time: `entries.position_at` finds where to look."""
    found: dict[UUID, Entry] = {}
    ids = [each.id for each in transfers]
    for moment in sorted({each.created_at for each in transfers}):
        after = position_at(account_id, moment).version
        rows = Entry.objects.filter(
            account_id=account_id, version__gt=after, version__lte=after + AT_ONCE
        )
        # Else PostgreSQL might look for them by nothing at all.
        found |= {e.transfer_id: e for e in rows if e.transfer_id in ids}
    return found


def _movement(
    transfer: Transfer,
    entry: Entry | None,
    grants: tuple[tuple[int, str, int], ...],
) -> Movement:
    return Movement(
        transfer.created_at,
        transfer.kind,
        entry.amount_micros if entry else 0,
        entry.balance_after_micros if entry else None,
        entry.version if entry else None,
        grants,
    )


# --- what it had to pass -------------------------------------------------------------


def _limits(hold: Hold) -> tuple[Passed, ...]:
    pairs = {(int(budget), int(starts)) for budget, starts in hold.budgets}
    budgets = Budget.objects.filter(id__in={budget for budget, _ in pairs})
    rows = {
        row.id: row for row in budgets.select_related("project", "holder", "spender")
    }
    counted = BudgetWindow.objects.filter(budget_id__in=rows)
    spent = {(c.budget_id, c.starts): c.spent_micros for c in counted}
    zone = hold.account.time_zone
    return tuple(
        _passed(rows[budget], starts, spent.get((budget, starts), 0), zone)
        for budget, starts in sorted(pairs)
        if budget in rows
    )


def _passed(budget: Budget, starts: int, spent: int, zone: str) -> Passed:
    whom = budget.spender or budget.holder or budget.project
    return Passed(
        budget.id,
        budget.level,
        whom.label if whom else "",
        budget.window,
        datetime.fromtimestamp(starts, UTC) if starts else None,
        windows.end_of(budget.window, zone, starts),
        budget.model_pattern,
        budget.limit_micros,
        spent,
        budget.is_active,
    )


def _runs(hold: Hold) -> list[Envelope]:
    found, next_id = [], hold.envelope_id
    while next_id is not None:
        run = Envelope.objects.select_related("hold", "spender").get(hold_id=next_id)
        found.append(run)
        next_id = run.hold.envelope_id
    return found


def _others(attempt: Attempt | None) -> tuple[CallReport, ...]:
    """By the same Idempotency-Key, or of the same client's request sent again."""
    if attempt is None:
        return ()
    same = Attempt.objects.filter(
        fingerprint=attempt.fingerprint, hold__account_id=attempt.hold.account_id
    )
    ids = same.exclude(hold_id=attempt.hold_id).order_by("placed_at", "hold_id")
    return tuple(calls_with(list(ids.values_list("hold_id", flat=True)[:50])))
