"""Many processes on every level at once: no limit is ever passed, and none refuses
what it has room for."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from django.db import connection

from billing.models import Budget
from billing.values import errors
from billing.values.orders import Placed
from tests.support.ledger.crews import Crew
from tests.support.ledger.payers import wrong_in_the_ledger
from tests.support.ledger.teams import Run, Team, counts
from tests.support.services import environment

# SQLite's writers queue for one lock; more of them would only wait longer.
PROCESSES = {"sqlite": 2, "postgres": 8}
# `make endure` asks for 200.
ROUNDS = int(os.environ.get("BUDGET_RACES", "20"))
READ = (
    "SELECT b.id, w.spent_micros + w.held_micros, b.limit_micros "
    "FROM billing_budget b JOIN billing_budgetwindow w ON w.budget_id = b.id "
    "WHERE b.account_id = %s"
)

pytestmark = [pytest.mark.usefixtures("committed_db"), pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def crew(django_db_setup: None) -> Iterator[Crew]:
    crew = Crew(PROCESSES[environment.wanted_database()])
    yield crew
    crew.end()


class Scene:
    """Keys of two projects and two people, a run, and a limit on each level."""

    def __init__(self, largest: int) -> None:
        self.first = Team.open(credits=10_000)
        other_person = self.first.colleague(same_holder=False)
        other_project = self.first.colleague(same_project=False)
        self.limits = [
            self.first.limit(260, "organization", "total"),
            self.first.limit(300, "organization", "day"),
            self.first.limit(190, "project", "week"),
            self.first.limit(170, "member", "month"),
            self.first.limit(120, "member_in_project", "total"),
            self.first.limit(110, "key", "day"),
            other_person.limit(90, "key", "total"),
        ]
        self.run: Run = self.first.run(40)
        self.keys = [self.first, other_person, other_project, self.run]
        self.largest = largest
        self.looks: Counter[str] = Counter()

    def look(self, when: str) -> None:
        """No state of the counters may be impossible."""
        self.looks[when] += 1
        with connection.cursor() as cursor:
            cursor.execute(READ, [self.first.account_id])
            found = cursor.fetchall()
        assert len(found) == len(self.limits)
        for budget, counted, limit in found:
            assert counted <= limit, budget

    def told(self) -> dict[str, object]:
        return {
            "scene": "call_within_limits",
            "account": self.first.account_id,
            "spenders": [each.spender_id for each in self.keys],
            "amount": self.largest,
            "patience": 12,
            "threads": 1,
            "tasks": 2,
        }


def deadlocks() -> int:
    if connection.vendor == "sqlite":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        return int(cursor.fetchone()[0])


def spend_what_is_left(key: Team) -> None:
    """Not a microcredit more than its limits say, and not one less."""
    while not isinstance(found := key.place(1), errors.BudgetExceeded):
        assert isinstance(found, Placed), found
        key.settle(found.hold_id, 1)
    limit = Budget.objects.get(id=found.budget_id)
    assert counts(limit) == (limit.limit_micros, 0)


def test_all_levels_are_spent_to_their_last_microcredit(crew: Crew) -> None:
    before = deadlocks()
    for number in range(ROUNDS):
        scene = Scene(largest=3 + number % 30)
        log = crew.storm([scene.told()] * len(crew.members), scene.look)
        assert scene.looks["amid"] > 1
        assert log["admitted"] > len(crew.members)
        spent, _ = counts(scene.limits[0])
        assert spent == log["charged"] > 130
        scene.run.close()
        assert [held for _, held in map(counts, scene.limits)] == [0] * 7
        for key in scene.keys[:-1]:
            spend_what_is_left(key)
        assert scene.first.figures()[1] == 0
    assert wrong_in_the_ledger() == []
    assert deadlocks() == before
