"""Many processes at once: exactly what fits is admitted, and nothing is below zero."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from billing import holds
from billing.models import Hold, UsageRecord
from billing.values import clock
from tests.support.ledger.crews import Crew
from tests.support.ledger.payers import Payer, wrong_in_the_ledger
from tests.support.services import environment

# SQLite's writers queue for one lock; more of them would only wait longer.
PROCESSES = {"sqlite": 2, "postgres": 4}
READ = (
    "SELECT balance_micros, held_micros, (SELECT coalesce(sum(remaining_micros - "
    "held_micros), 0) FROM billing_grant WHERE account_id = %s) "
    "FROM billing_account WHERE id = %s"
)

pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture(scope="module")
def crew(django_db_setup: None) -> Iterator[Crew]:
    crew = Crew(PROCESSES[environment.wanted_database()])
    yield crew
    crew.end()


class Reader:
    """Looks at accounts while they storm: no state of them may be impossible."""

    def __init__(self, *customers: Payer) -> None:
        self.customers = customers
        self.looks: Counter[str] = Counter()

    def __call__(self, when: str) -> None:
        self.looks[when] += 1
        for customer in self.customers:
            with connection.cursor() as cursor:
                cursor.execute(READ, [customer.account_id, customer.account_id])
                balance, held, free = map(int, cursor.fetchone())
            assert balance >= held >= 0
            assert free == balance - held
            assert customer.figures()[2] >= 0


def race(crew: Crew, customer: Payer, scene: str, **told: Any) -> Counter[str]:
    reader = Reader(customer)
    told |= {"account": customer.account_id, "spender": customer.spender_id}
    log = crew.storm([{"scene": scene, **told}] * len(crew.members), reader)
    assert reader.looks["amid"] > 1
    assert (reader.looks["before"], reader.looks["after"]) == (1, 1)
    return log


def clear(customer: Payer) -> None:
    """End what still runs, so that no later sweep of another test finds it."""
    waiting = Hold.objects.filter(account_id=customer.account_id)
    for hold in waiting.filter(state__in=["open", "in_doubt"]):
        customer.release(hold.id.hex)


@pytest.mark.parametrize(
    ("fitting", "rest", "milliseconds"),
    [(1, 0, 0), (37, 6, 5), (60, 3, 30), (23, 0, 0), (60, 3, 5)],
)
def test_exactly_as_many_are_admitted_as_fit(
    crew: Crew, fitting: int, rest: int, milliseconds: int
) -> None:
    customer = Payer.open(credits=7 * fitting + rest)
    told = {"amount": 7, "threads": 3, "tasks": 16, "spread": milliseconds / 1000}
    log = race(crew, customer, "only_hold", **told)

    assert log["admitted"] == fitting
    assert log["refused"] == len(crew.members) * 48 - fitting
    assert customer.figures() == (7 * fitting + rest, 7 * fitting, rest)
    clear(customer)
    assert customer.figures()[1] == 0
    assert wrong_in_the_ledger() == []


@pytest.mark.parametrize("amount", [7, 50, 400])
def test_calls_of_any_price_end_at_exactly_zero(crew: Crew, amount: int) -> None:
    customer = Payer.open(credits=1000)
    log = race(
        crew,
        customer,
        "call_until_nothing_is_left",
        amount=amount,
        threads=2,
        tasks=6,
    )

    assert customer.figures() == (0, 0, 0)
    assert (log["charged"], log["absorbed"]) == (1000, 0)
    records = UsageRecord.objects.filter(account_id=customer.account_id)
    assert records.count() == log["admitted"]
    assert wrong_in_the_ledger() == []


def test_many_lots_race_like_one(crew: Crew) -> None:
    customer = Payer.open()
    for micros in range(1, 21):
        customer.grant(micros)
    log = race(crew, customer, "only_hold", amount=6, threads=2, tasks=20, spread=0.01)

    assert log["admitted"] == 210 // 6
    assert customer.figures() == (210, 210, 0)
    clear(customer)


def test_a_hold_is_charged_once_whoever_settles_it(crew: Crew) -> None:
    customer = Payer.open(credits=1000)
    ids = [customer.hold(10) for _ in range(40)]
    log = race(
        crew, customer, "resolve_the_same", holds=ids, price=7, threads=2, tasks=2
    )

    assert (log["admitted"], log["charged"]) == (40, 280)
    assert customer.figures() == (720, 0, 720)
    assert wrong_in_the_ledger() == []


def test_sweeps_at_the_same_moment_resolve_each_hold_once(crew: Crew) -> None:
    holds.sweep(in_doubt_after=timedelta(hours=1))  # what other tests have left
    customer = Payer.open(credits=1000)
    past = clock.now() - timedelta(hours=1)
    for _ in range(60):
        customer.hold(10, due_at=past)
    log = race(crew, customer, "sweep", seconds=3600, threads=2, tasks=1)
    assert (log["charged"], log["absorbed"]) == (60, 0)
    assert customer.figures() == (1000, 600, 400)

    assert holds.sweep(in_doubt_after=timedelta(0))["closed"] >= 60
    assert customer.figures() == (1000, 0, 1000)
    assert wrong_in_the_ledger() == []


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.postgres_only
def test_everything_at_once_on_three_organizations_leaves_a_right_ledger(
    crew: Crew,
) -> None:
    customers = [Payer.open(credits=300) for _ in range(3)]
    before = deadlocks()
    organizations = [
        {"account": each.account_id, "spender": each.spender_id} for each in customers
    ]
    scene = {"organizations": organizations, "steps": 30, "threads": 2, "tasks": 4}
    scenes = [{"scene": "anything", **scene}] * len(crew.members)
    log = crew.storm(scenes, Reader(*customers))

    assert log["admitted"] > 100
    assert wrong_in_the_ledger() == []
    for customer in customers:
        clear(customer)
    assert [customer.figures()[1] for customer in customers] == [0, 0, 0]
    spent = UsageRecord.objects.filter(
        account_id__in=[each.account_id for each in customers]
    ).values_list("charged_micros", flat=True)
    assert sum(spent) == log["charged"]
    assert wrong_in_the_ledger() == []
    assert deadlocks() == before
