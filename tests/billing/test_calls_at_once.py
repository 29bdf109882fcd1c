"""Calls at once are the open holds themselves: exactly so many, and none leaks."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from billing import envelopes, holds, spenders
from billing.ledger import dialect, running
from billing.models.account import UnitKind
from billing.values import clock, errors
from billing.values.orders import AtOnce, Place, Placed, Release
from tests.support.ledger.payers import Payer
from tests.support.services import database

PLENTY = 10**12


def of_key(payer: Payer, most: int) -> tuple[AtOnce, ...]:
    return (AtOnce(f"spender:{payer.spender_id}", most, "key", "laptop"),)


def order(payer: Payer, most: int, **more: Any) -> Place:
    return payer.order(10, at_once=of_key(payer, most), **more)


def placed(outcomes: list[Any]) -> list[str]:
    """The holds that stand; all others met the limit."""
    found = [each.hold_id for each in outcomes if isinstance(each, Placed)]
    refused = [each for each in outcomes if isinstance(each, errors.TooManyCalls)]
    assert len(found) + len(refused) == len(outcomes)
    return found


def test_a_batch_places_exactly_what_may_run(db: None) -> None:
    payer = Payer.open(credits=PLENTY)
    first = placed(list(holds.commit([order(payer, 3) for _ in range(10)])))
    assert len(first) == 3
    refused = payer.place(10, at_once=of_key(payer, 3))

    assert isinstance(refused, errors.TooManyCalls)
    assert (refused.level, refused.name) == ("key", "laptop")
    assert (refused.most, refused.running) == (3, 3)
    assert payer.figures()[1] == 30  # what is refused holds nothing


@pytest.mark.parametrize("end", ["settle", "release", "doubt"])
def test_whatever_ends_a_call_lets_another_run(db: None, end: str) -> None:
    payer = Payer.open(credits=PLENTY)
    one, _ = placed(list(holds.commit([order(payer, 2) for _ in range(2)])))
    if end == "settle":
        payer.settle(one, 5)
    else:
        getattr(payer, end)(one)

    assert len(placed(list(holds.commit([order(payer, 2) for _ in range(5)])))) == 1


def test_the_orders_of_one_batch_see_each_other(db: None) -> None:
    payer = Payer.open(credits=PLENTY)
    one, two = placed(list(holds.commit([order(payer, 2) for _ in range(2)])))
    back = [Release(each, payer.account_id, "upstream_refused") for each in (one, two)]
    _, *outcomes = holds.commit([back[0], order(payer, 2), order(payer, 2), back[1]])

    assert [type(each).__name__ for each in outcomes] == [
        *("Placed", "TooManyCalls", "Resolved"),
    ]
    # A repeat of an end frees nothing again.
    holds.commit([back[0], back[0]])
    assert len(placed(list(holds.commit([order(payer, 2) for _ in range(5)])))) == 1


def test_a_job_that_turns_out_to_live_runs_again(db: None) -> None:
    payer = Payer.open(credits=PLENTY)
    job = payer.hold(10)
    payer.doubt(job)
    assert len(placed([payer.place(10, at_once=of_key(payer, 1))])) == 1
    payer.entrust(job, 10)
    assert placed([payer.place(10, at_once=of_key(payer, 2))]) == []


def test_each_level_counts_what_is_below_it(db: None) -> None:
    payer = Payer.open(credits=PLENTY)
    account = payer.account_id
    project = spenders.open_unit(account, UnitKind.PROJECT, "main")
    member = spenders.open_unit(account, UnitKind.MEMBER, "bob")

    def key(**units: Any) -> Payer:
        return Payer(account, spenders.open_spender(account, "key", **units).id)

    mine = key(project_id=project.id, holder_id=member.id)
    theirs = key(project_id=project.id)
    mine.hold(10)
    theirs.hold(10)
    payer.hold(10)
    counted = {
        f"account:{account}": 3,
        f"unit:{project.id}": 2,
        f"unit:{member.id}": 1,
        f"spender:{mine.spender_id}": 1,
    }
    for subject, count in counted.items():
        met = mine.place(10, at_once=(AtOnce(subject, count, "level", "name"),))
        assert isinstance(met, errors.TooManyCalls), subject
        assert met.running == count
    wide = tuple(AtOnce(each, n + 1, "level", "name") for each, n in counted.items())
    assert isinstance(mine.place(10, at_once=wide), Placed)


def test_a_run_counts_for_whoever_opened_it_and_is_no_call_itself(db: None) -> None:
    payer = Payer.open(credits=PLENTY)
    expires_at = clock.now() + timedelta(hours=1)
    run = envelopes.open_envelope(
        uuid.uuid4(), payer.spender_id, 1000, expires_at=expires_at
    )
    child = Payer(payer.account_id, run.spender_id)
    outcomes = holds.commit(
        [child.order(10, at_once=of_key(payer, 2)) for _ in range(5)]
    )
    assert len(placed(list(outcomes))) == 2
    assert placed([payer.place(10, at_once=of_key(payer, 2))]) == []


def test_another_organization_is_not_counted(db: None) -> None:
    payer, other = Payer.open(credits=PLENTY), Payer.open(credits=PLENTY)
    other.hold(10)
    both = [order(payer, 1), order(other, 1)]
    assert [type(each).__name__ for each in holds.commit(both)] == [
        *("Placed", "TooManyCalls"),
    ]


def test_without_such_a_limit_nothing_is_read(db: None) -> None:
    payer = Payer.open(credits=PLENTY)
    assert running.reads([payer.order(10)]) == {}
    assert "running" in running.reads([payer.order(10), order(payer, 1)])


def test_threads_place_exactly_what_may_run(committed_db: None) -> None:
    payer = Payer.open(credits=PLENTY)

    def try_to(_: int) -> Any:
        try:
            return payer.place(10, at_once=of_key(payer, 7))
        finally:
            database.close_connections()

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(try_to, range(40)))
    assert len(placed(outcomes)) == 7


def test_it_is_read_by_the_index_of_what_is_not_resolved(db: None) -> None:
    explain = "EXPLAIN" if dialect.IS_POSTGRES else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        if dialect.IS_POSTGRES:
            cursor.execute(dialect.PLAN_BY_KEY, ["1s"])
        query = running.READ_RUNNING.replace("?", "%s")
        cursor.execute(f"{explain} {query}", ["[1]", "[1]"])
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert "hold_unresolved" in plan, plan
    assert "hold_latest" not in plan
