"""The comparison sees what it is there for: each planted difference is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from billing.values.amounts import price_of
from billing.values.orders import CREDIT
from tests.support.gateway.storm.clients import Answer
from tests.support.gateway.storm.comparison import Charge, Row, Storm, differences
from tests.support.gateway.storm.plans import FACTORS_PPM, Plan

GRANTED = 1000 * CREDIT
COSTS = (3, 5, 2, 7)  # credits, of one call of each organization


def plan(number: int, **fields: Any) -> Plan:
    usual = {"operation": "chat", "script": "good", "life": "", "manners": "sdk"}
    return Plan(
        number=number,
        organization=number % 4,
        credits=COSTS[number % 4],
        seed=0,
        **(usual | fields),
    )


def hold(number: int, **fields: Any) -> Row:
    usual = {"id": f"hold-{number}", "account_id": number % 4, "reason": ""}
    usual |= {"model": f"storm-{number}", "state": "settled"}
    return {**usual, "amount_micros": 40 * CREDIT, **fields}


def record(number: int, **fields: Any) -> Row:
    price = price_of(COSTS[number % 4] * CREDIT, FACTORS_PPM[number % 4])
    return {
        "hold_id": f"hold-{number}",
        "account_id": number % 4,
        "model": f"storm-{number}",
        "operation": "chat.completions",
        "basis": "upstream",
        "flags": "",
        "upstream_id": f"up-{number:06}",
        "price_micros": price,
        "charged_micros": price,
        "absorbed_micros": 0,
        **fields,
    }


def clean() -> Storm:
    """Four calls that were charged, a fifth whose end nobody knows, and a job."""
    records = [record(number) for number in range(4)]
    balances = [GRANTED - each["charged_micros"] for each in records]
    return Storm(
        plans=[*map(plan, range(4)), plan(4, script="cut")],
        journal=[Charge(f"up-{n:06}", n, COSTS[n % 4]) for n in range(5)],
        answers=[Answer(1, 200, "req_hold-1", "1.666665", is_repeat=False)],
        accounts=[
            {"id": n, "balance_micros": balances[n], "held_micros": 0} for n in range(4)
        ],
        granted={str(n): GRANTED for n in range(4)},
        holds=[
            *map(hold, range(4)),
            hold(4, state="released", reason="upstream_cut"),
        ],
        records=[
            *records,
            record(4, basis="in_doubt", price_micros=0, charged_micros=0),
        ],
        jobs=[
            {
                "id": "hold-3",
                "model": "storm-3",
                "state": "completed",
                "charged_micros": 7,
            }
        ],
        errors=[],
    )


def changed(rows: Any, index: int, **fields: Any) -> list[Row]:
    """These rows, one of them with other values."""
    found = list(rows)
    found[index] = {**found[index], **fields}
    return found


def with_hold(storm: Storm, index: int, **fields: Any) -> Storm:
    return replace(storm, holds=changed(storm.holds, index, **fields))


def with_record(storm: Storm, index: int, **fields: Any) -> Storm:
    return replace(storm, records=changed(storm.records, index, **fields))


def charged_twice(storm: Storm) -> Storm:
    again = record(1, hold_id="hold-9")
    more = hold(1, id="hold-9")
    return replace(storm, holds=[*storm.holds, more], records=[*storm.records, again])


def phantom(storm: Storm) -> Storm:
    return replace(storm, journal=[c for c in storm.journal if c.number != 2])


def sent_twice(storm: Storm) -> Storm:
    """And both are charged, each once."""
    again = record(0, hold_id="hold-9", upstream_id="up-000009")
    return replace(
        storm,
        journal=[*storm.journal, Charge("up-000009", 0, COSTS[0])],
        holds=[*storm.holds, hold(0, id="hold-9")],
        records=[*storm.records, again],
    )


PLANTED: dict[str, Callable[[Storm], Storm]] = {
    "is charged twice": charged_twice,
    "the upstream knows nothing of it": phantom,
    "2 times upstream": sent_twice,
    "nowhere listed": lambda storm: replace(storm, records=storm.records[:-1]),
    "held less often": lambda storm: replace(
        storm, journal=[*storm.journal, Charge("up-000008", 2, 0)]
    ),
    "another's call": lambda storm: with_record(storm, 0, upstream_id="up-000004"),
    "the upstream 1666665": lambda storm: with_record(
        storm, 1, price_micros=1_666_664, charged_micros=1_666_664
    ),
    "more than its bound": lambda storm: with_hold(
        with_record(storm, 2, basis="estimated"), 2, amount_micros=CREDIT
    ),
    "the operator bore a part": lambda storm: with_record(
        storm, 2, charged_micros=1, absorbed_micros=5_000_013
    ),
    "charged for a doubt": lambda storm: with_record(storm, 4, price_micros=1),
    "nobody's request": lambda storm: with_hold(storm, 2, account_id=3),
    "settled without a price": lambda storm: with_hold(storm, 4, state="settled"),
    "released and charged": lambda storm: with_hold(storm, 1, state="released"),
    "in doubt and charged": lambda storm: with_hold(storm, 1, state="in_doubt"),
    "without a cause": lambda storm: replace(
        with_hold(storm, 1, state="in_doubt", reason="upstream_500"),
        records=[each for each in storm.records if each["hold_id"] != "hold-1"],
    ),
    "still open": lambda storm: with_hold(storm, 1, state="open"),
    "account 3:": lambda storm: replace(
        storm, accounts=changed(storm.accounts, 3, balance_micros=GRANTED)
    ),
    "9 held, not 0": lambda storm: replace(
        storm, accounts=changed(storm.accounts, 3, held_micros=9)
    ),
    "the answer req_hold-1 to request 1: 2 credits": lambda storm: replace(
        storm, answers=[replace(storm.answers[0], charged="2")]
    ),
    "nobody's hold": lambda storm: replace(
        storm, answers=[replace(storm.answers[0], number=2)]
    ),
    "the job hold-3": lambda storm: replace(
        storm, jobs=changed(storm.jobs, 0, charged_micros=8)
    ),
    "BALANCE_WRONG": lambda storm: replace(storm, errors=["BALANCE_WRONG account=1"]),
}


def test_a_clean_storm_has_no_differences() -> None:
    assert differences(clean()) == []


@pytest.mark.parametrize("words", PLANTED)
def test_a_planted_difference_is_named(words: str) -> None:
    found = differences(PLANTED[words](clean()))
    assert any(words in difference for difference in found), found
