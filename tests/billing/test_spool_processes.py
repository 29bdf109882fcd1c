"""The spool between processes: appending, replaying and being killed, all at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connections
from pytest_django.fixtures import Settings

from billing import holds
from billing.ledger import spool
from billing.values.orders import Placed
from tests.support.ledger.locks import cut_who_waits, ledger_locked
from tests.support.ledger.payers import Payer
from tests.support.ledger.spooled import waiting
from tests.support.services.warm import WarmProcess

SPOOLER = "tests.support.ledger.spooler"
LINES = 200
SECONDS_MAX = 300


@pytest.fixture
def var_dir(tmp_path: Path, settings: Settings) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def customer(committed_db: None) -> Payer:
    return Payer.open(credits=1000)


def open_holds(customer: Payer, count: int) -> list[str]:
    """Lines for a spooler, one for each of so many holds."""
    outcomes = holds.commit([customer.order(2) for _ in range(count)])
    assert all(isinstance(outcome, Placed) for outcome in outcomes)
    return [
        f"{customer.account_id} {outcome.hold_id}\n"
        for outcome in outcomes
        if isinstance(outcome, Placed)
    ]


def append(lines: list[str], var_dir: Path, **environment: str) -> int:
    """By another process; how it ended."""
    process = spooler("append", "".join(lines), var_dir, environment)
    return process.wait(SECONDS_MAX)


def replay(var_dir: Path, **environment: str) -> int:
    """By another process; how it ended."""
    return spooler("replay", "", var_dir, environment).wait(SECONDS_MAX)


def spooler(
    command: str, text: str, var_dir: Path, environment: dict[str, str]
) -> WarmProcess:
    told = var_dir / f"told-{uuid4().hex}"
    told.write_text(text)
    return WarmProcess(
        [command],
        module=SPOOLER,
        environment={**os.environ, **environment, "VAR_DIR": str(var_dir)},
        stdin=told,
        stdout=told.with_suffix(".said"),
    )


def test_no_line_is_lost_or_doubled_while_others_append(
    customer: Payer, var_dir: Path
) -> None:
    lines = open_holds(customer, LINES)
    halves = (lines[::2], lines[1::2])
    done, seen_at_work = threading.Event(), list[dict[str, int]]()

    def replay_again_and_again() -> None:
        while not done.is_set():
            seen_at_work.append(spool.replay() | {"left": 0})
        connections.close_all()

    replayers = [threading.Thread(target=replay_again_and_again) for _ in range(2)]
    for thread in replayers:
        thread.start()
    appenders = [spooler("append", "".join(half), var_dir, {}) for half in halves]
    codes = [process.wait(SECONDS_MAX) for process in appenders]
    done.set()
    for thread in replayers:
        thread.join()
    # Added up by one thread: a Counter of two loses what both add at once.
    counts = Counter(spool.replay())
    for found in seen_at_work:
        counts.update(found)

    assert codes == [0, 0]
    assert counts == {"settled": LINES, "repeats": 0, "refused": 0, "left": 0}
    at_work = [found for found in seen_at_work if found["settled"]]
    assert len(at_work) > 1  # not all at the end
    assert customer.figures() == (1000 - LINES, 0, 1000 - LINES)
    assert list((var_dir / "spool").iterdir()) == []


@pytest.mark.once
def test_what_was_appended_outlives_a_kill(customer: Payer, var_dir: Path) -> None:
    lines = open_holds(customer, 3)
    crash = append(lines, var_dir, CRASHPOINT="spool.after_append:2")

    assert (crash, waiting()) == (-signal.SIGKILL, 2)
    assert spool.replay()["settled"] == 2
    assert customer.figures() == (998, 2, 996)


@pytest.mark.parametrize(
    ("place", "settled"), [("ledger.before_commit", 0), ("ledger.after_commit", 2)]
)
def test_a_replay_that_is_killed_is_done_again(
    customer: Payer, var_dir: Path, place: str, settled: int
) -> None:
    append(open_holds(customer, 2), var_dir)
    assert replay(var_dir, CRASHPOINT=place) == -signal.SIGKILL
    [path] = (var_dir / "spool").iterdir()
    assert path.name.endswith(".claimed")
    assert (waiting(), customer.figures()[0]) == (2, 1000 - settled)

    expected = {"settled": 2 - settled, "repeats": settled, "refused": 0, "left": 0}
    assert spool.replay() == expected
    assert customer.figures() == (998, 0, 998)


def test_without_the_database_the_files_wait(
    customer: Payer, var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = connections.settings["default"]["OPTIONS"]
    if connections["default"].vendor == "sqlite":
        monkeypatch.setitem(options, "timeout", 0.2)  # for connections yet to be made
    lines = open_holds(customer, 3)
    for half in (lines[:2], lines[2:]):  # a file each
        append(half, var_dir)
    with ledger_locked(customer.account_id), ThreadPoolExecutor(1) as pool:
        found = pool.submit(replay_in_vain)
        while not found.done():
            time.sleep(0.05)
            cut_who_waits()

    nothing = {"settled": 0, "repeats": 0, "refused": 0, "left": 0}
    assert found.result() == [nothing | {"left": 3}] * 2
    assert waiting() == 3
    assert spool.replay() == nothing | {"settled": 3}
    assert customer.figures() == (997, 0, 997)


def replay_in_vain() -> list[dict[str, int]]:
    """Twice: what the first one left is no different from what it found."""
    try:
        return [spool.replay(), spool.replay()]
    finally:
        connections.close_all()
