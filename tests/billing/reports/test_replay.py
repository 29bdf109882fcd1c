"""The time machine refuses what the hold itself would have refused.

Each history is lived twice: without the limit, and replayed; and with it, by the real
budget code. Costs about 6 s of CPU on SQLite.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from billing import budgets, corrections
from billing.models import Budget, BudgetWindow
from billing.models.budget import Window
from billing.models.correction import CorrectionKind
from billing.reports.replay import Proposal, Replay, replay
from billing.values import errors
from tests.support.ledger.clocks import Clock
from tests.support.ledger.teams import Team

MODELS = ("openai/gpt-4o", "openai/gpt-4o-mini", "image/large")
BEGINS = {
    "Asia/Kathmandu": datetime(2026, 5, 3, 11, 2, 7),
    "America/New_York": datetime(2026, 10, 29, 21, 40),
    "Australia/Lord_Howe": datetime(2026, 4, 1, 18, 59, 59),
}


@dataclass
class Step:
    """Something that happens at a time, to a call by its number."""

    at: datetime
    kind: str
    call: int
    amount: int = 0
    who: int = 0
    model: str = ""


def script(
    seed: int, begins: datetime, *, corrects: bool, calls: int = 60
) -> list[Step]:
    """Calls of some hours, half of them beside each other; some cost more than they
    hold, some are released, some corrected days later."""
    chance = random.Random(seed)
    steps, at = [], begins
    for number in range(calls):
        at += timedelta(seconds=chance.randrange(9000), microseconds=number)
        amount, who = chance.randrange(1, 40), chance.randrange(3)
        steps.append(Step(at, "place", number, amount, who, chance.choice(MODELS)))
        ends = at + timedelta(seconds=chance.choice([3, 40, 4000, 30_000]))
        ends += timedelta(microseconds=500 + number)
        if (kind := chance.choice(["settle"] * 6 + ["release", "run on"])) != "run on":
            price = chance.randrange(amount * 2 if number % 9 == 0 else amount + 1)
            steps.append(Step(ends, kind, number, price))
        if kind == "settle" and corrects and chance.random() < 0.2:
            later = ends + timedelta(hours=chance.randrange(1, 30), microseconds=700)
            steps.append(Step(later, "correct", number, chance.randrange(40)))
    return sorted(steps, key=lambda step: step.at)


@dataclass
class Life:
    """A team lives a script; `refused` are the calls that had no room."""

    clock: Clock
    zone: str
    teams: list[Team] = field(default_factory=list)
    calls: dict[int, tuple[Team, str]] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        first = Team.open(credits=10**6)
        self.teams = [
            first,
            first.colleague(same_project=False),
            first.colleague(same_holder=False),
        ]
        budgets.set_time_zone(first.account_id, self.zone)

    def live(self, steps: list[Step]) -> Life:
        for step in steps:
            self.clock.moment = step.at
            if step.kind == "place":
                self._place(step)
            elif step.call in self.calls:
                self._end(step, *self.calls[step.call])
        return self

    def _place(self, step: Step) -> None:
        team = self.teams[step.who]
        placed = team.place(step.amount, model=step.model)
        if isinstance(placed, errors.BudgetExceeded):
            self.refused.append(step.call)
        else:
            assert not isinstance(placed, errors.LedgerError), placed
            self.calls[step.call] = (team, placed.hold_id)

    def _end(self, step: Step, team: Team, hold_id: str) -> None:
        if step.kind == "settle":
            team.settle(hold_id, step.amount)
        elif step.kind == "release":
            team.release(hold_id)
        else:
            corrections.post(
                UUID(hold_id),
                CorrectionKind.ADJUSTMENT,
                step.amount,
                reference=uuid.uuid4().hex,
                reason="the invoice",
            )

    def numbers(self, found: Replay) -> list[int]:
        """The calls that the replay names."""
        of = {hold_id: number for number, (_, hold_id) in self.calls.items()}
        return [of[each.hold_id.hex] for each in found.listed]


def proposal(life: Life, level: str, window: str, limit: int, pattern: str) -> Proposal:
    subject = life.teams[0].subject(level)
    return Proposal(subject, Window(window), limit, pattern)


def with_limit(
    clock: Clock, zone: str, steps: list[Step], terms: tuple[str, str, int, str]
) -> tuple[list[int], Budget]:
    level, window, limit, pattern = terms
    clock.moment = steps[0].at - timedelta(days=40)
    life = Life(clock, zone)
    more: dict[str, Any] = {"model_pattern": pattern}
    budget = life.teams[0].limit(limit, level, window, **more)
    return life.live(steps).refused, budget


TERMS = (
    ("organization", "day", 120, ""),
    ("organization", "day", 40, ""),
    ("organization", "week", 500, ""),
    ("organization", "month", 700, "openai/*"),
    ("project", "day", 60, ""),
    ("member", "day", 90, "*mini, image/*"),
    ("member_in_project", "week", 150, ""),
    ("key", "total", 300, ""),
    ("key", "day", 45, "OPENAI/GPT-4O"),
)


@pytest.mark.django_db
@pytest.mark.parametrize("zone", BEGINS)
def test_a_replay_refuses_what_the_budget_refuses(clock: Clock, zone: str) -> None:
    begins = BEGINS[zone].replace(tzinfo=ZoneInfo(zone))
    corrects = zone != "Asia/Kathmandu"
    steps = script(len(zone), begins.astimezone(UTC), corrects=corrects)
    clock.moment = steps[0].at - timedelta(days=40)
    life = Life(clock, zone).live(steps)
    ends = steps[-1].at + timedelta(days=3)
    bound = 0
    for level, window, limit, pattern in TERMS[len(zone) % 2 :: 2]:
        clock.moment = ends
        found = replay(
            life.teams[0].account_id, proposal(life, level, window, limit, pattern)
        )
        terms = (level, window, limit, pattern)
        refused, budget = with_limit(clock, zone, steps, terms)
        assert life.numbers(found) == refused[: len(found.listed)]
        assert found.refused == len(refused)
        assert found.is_complete
        spent = BudgetWindow.objects.filter(budget=budget).order_by("-spent_micros")
        highest = found.highest.spent_micros if found.highest else 0
        assert highest == max([each.spent_micros for each in spent[:1]], default=0)
        bound += bool(refused)
    assert bound >= 2  # the others never do


def test_what_would_never_have_bound_says_its_highest_window(
    clock: Clock, db: None
) -> None:
    team = Team.open(credits=1000)
    days = {}
    for price in (10, 30, 20):
        days[price] = clock.advance(days=1).date()
        team.call(price)
    clock.advance(days=1)
    found = replay(team.account_id, Proposal(team.subject("key"), Window.DAY, 30))
    assert (found.refused, found.first, found.windows) == (0, None, 0)
    assert found.highest is not None
    assert found.highest.spent_micros == 30
    assert found.highest.starts.date() == days[30]
    assert found.calls == 3


def test_a_refusal_says_what_its_window_had_by_then(clock: Clock, db: None) -> None:
    team = Team.open(credits=1000)
    team.call(25)
    clock.advance(minutes=1)
    team.hold(10)
    clock.advance(minutes=1)
    call = team.call(20)
    clock.advance(minutes=30)
    found = replay(team.account_id, Proposal(team.subject("key"), Window.DAY, 54))
    assert found.first is not None
    assert found.first.hold_id == UUID(call)
    figures = (found.first.required_micros, found.first.used_micros)
    assert (*figures, found.first.held_micros) == (20, 25, 10)
    assert (found.refused, found.keys, found.windows) == (1, 1, 1)


def test_a_run_is_refused_as_one(clock: Clock, db: None) -> None:
    """And what it has set aside is nobody else's until it closes."""
    team = Team.open(credits=1000)
    run = team.run(60)
    clock.advance(minutes=1)
    run.call(15)
    clock.advance(minutes=1)
    team.call(30)  # 60 are set aside
    clock.advance(minutes=1)
    run.close()
    clock.advance(minutes=1)
    team.call(40)  # 15 are spent
    clock.advance(minutes=30)
    subject = team.subject("project")
    found = replay(team.account_id, Proposal(subject, Window.DAY, 80))
    assert [each.required_micros for each in found.listed] == [30]
    small = replay(team.account_id, Proposal(subject, Window.DAY, 50))
    assert [each.is_run for each in small.listed] == [True, False]
    # A limit for some models counts the calls of a run one by one.
    calls = replay(team.account_id, Proposal(subject, Window.DAY, 50, "openai/*"))
    assert [each.required_micros for each in calls.listed] == [40]


def test_once_nothing_has_room_calls_are_counted_and_not_read(
    clock: Clock, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.reports.replay.PIECE", 1)
    monkeypatch.setattr("billing.reports.replay.LISTED", 1)
    team = Team.open(credits=10_000)
    other = team.colleague()
    for _ in range(20):
        clock.advance(minutes=20)
        team.call(10)
        other.call(10)
    clock.advance(minutes=30)
    read = count_reads(monkeypatch)
    subject = team.subject("project")
    found = replay(team.account_id, Proposal(subject, Window.MONTH, 45))
    assert (found.refused, found.keys, len(read)) == (36, 2, 3)


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    from billing.reports.replay_rows import Rows

    read: list[object] = []
    placed: Callable[..., Any] = Rows.placed

    def counted(self: Rows, *span: datetime) -> Any:
        read.append(span)
        return placed(self, *span)

    monkeypatch.setattr(Rows, "placed", counted)
    return read


def test_a_stranger_is_not_replayed(clock: Clock, db: None) -> None:
    one, other = Team.open(), Team.open()
    with pytest.raises(ValueError, match="not this account's"):
        replay(one.account_id, Proposal(other.subject("key"), Window.DAY, 5))
