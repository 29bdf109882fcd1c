"""Settlements that wait on the disk: each is booked once, whoever dies meanwhile."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from billing import holds
from billing.ledger import spool
from billing.models import Hold, UsageRecord
from billing.tasks import sweep_holds
from billing.values.orders import (
    Doubt,
    Release,
    Resolution,
    Settle,
)
from tests.support.ledger.clocks import START, Clock
from tests.support.ledger.payers import Payer, used, wrong_in_the_ledger
from tests.support.ledger.spooled import waiting

NOTHING = {"settled": 0, "repeats": 0, "refused": 0, "left": 0}


@pytest.fixture(autouse=True)
def folder(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """This test's own spool."""
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(spool, "_own", spool._OwnFile())
    yield tmp_path / "spool"
    spool._own.close()


def files(folder: Path) -> list[str]:
    """The ends of the names of all there is."""
    return sorted(path.name.partition(".")[2] for path in folder.iterdir())


def spooled(customer: Payer, price: int, bound: int = 30) -> str:
    """A hold whose settlement waits."""
    hold_id = customer.hold(bound)
    spool.append(Settle(hold_id, customer.account_id, used(price)))
    return hold_id


# --- what is written -----------------------------------------------------------------


def some_order() -> Resolution:
    """Of a hold that nobody placed: where it only has to be written."""
    return Release(uuid.uuid4().hex, 7, "upstream_refused")


def test_nobody_else_may_read_it(folder: Path) -> None:
    spool.append(some_order())
    [path] = folder.iterdir()

    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert path.name.startswith(f"{os.getpid()}-")


def test_what_the_disk_does_not_take_is_not_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append(some_order())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            spool.append(some_order())
    assert waiting() == 1

    spool.append(some_order())
    assert waiting() == 2
    assert files(folder) == ["jsonl", "jsonl"]  # nothing follows a doubtful end


def test_a_forked_process_has_a_file_of_its_own(folder: Path) -> None:
    spool.append(some_order())
    if (child := os.fork()) == 0:
        spool.append(some_order())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    spool.append(some_order())

    lines = {path.name.split("-")[0]: path.read_bytes() for path in folder.iterdir()}
    counts = {int(pid): text.count(b"\n") for pid, text in lines.items()}
    assert counts == {os.getpid(): 2, child: 1}


def test_without_a_spool_nothing_waits() -> None:
    assert waiting() == 0
    assert spool.replay() == NOTHING


# --- replay ------------------------------------------------------------------------


def test_replayed_twice_is_booked_once(customer: Payer, folder: Path) -> None:
    settled = spooled(customer, 12)
    released, doubted = customer.hold(20), customer.hold(10)
    spool.append(Release(released, customer.account_id, "upstream_refused"))
    spool.append(Doubt(doubted, customer.account_id, "upstream_lost"))
    [path] = folder.iterdir()
    copy = path.read_bytes()

    assert holds.replay_spool() == NOTHING | {"settled": 3}
    assert customer.figures() == (88, 10, 78)
    assert (files(folder), waiting()) == ([], 0)
    path.write_bytes(copy)
    assert spool.replay() == NOTHING | {"repeats": 3}
    assert customer.figures() == (88, 10, 78)
    assert UsageRecord.objects.get(hold_id=settled).charged_micros == 12
    assert files(folder) == []
    assert wrong_in_the_ledger() == []


def test_what_comes_after_a_replay_has_another_file(customer: Payer) -> None:
    for price in (1, 2, 3):
        spooled(customer, price)
        assert spool.replay() == NOTHING | {"settled": 1}
    assert customer.figures() == (94, 0, 94)


def test_a_torn_line_is_ignored_and_logged(
    customer: Payer, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hold_id = spooled(customer, 12)
    [path] = folder.iterdir()
    path.write_bytes(path.read_bytes() + b'{"order": "settle", "hold_id": "')

    assert waiting() == 1
    assert spool.replay() == NOTHING | {"settled": 1}
    assert "torn line" in caplog.text
    assert (files(folder), Hold.objects.get(id=hold_id).state) == ([], "settled")


# As `append` writes it, but for a cost that is null, and a hold that is a list.
NULL_COST = (
    b'{"v": 1, "hold": "0192f3a1b2c37d4e8f00112233445566", "account": 7, '
    b'"reason": "", "order": "settle", "usage": {"basis": "upstream", "cost": null}}'
)
HOLDS = (
    b'{"v": 1, "hold": ["0192f3a1b2c37d4e8f00112233445566"], "account": 7, '
    b'"reason": "", "order": "release", "usage": null}'
)


@pytest.mark.parametrize("bad", [b"[]", b"{}", b"?", b"", NULL_COST, HOLDS])
def test_what_the_ledger_refuses_is_kept_for_the_operator(
    customer: Payer, folder: Path, bad: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = uuid.uuid4().hex
    for _ in range(2):
        spooled(customer, 5)
        spool.append(Settle(unknown, customer.account_id, used(1)))
        [path] = folder.glob("*-*.jsonl")
        path.write_bytes(path.read_bytes() + bad + b"\n")
        assert spool.replay() == NOTHING | {"settled": 1, "refused": 2}

    kept = (folder / "refused.jsonl").read_bytes().split(b"\n")
    assert [line for line in kept if unknown.encode() not in line] == [bad, bad, b""]
    assert Counter(unknown.encode() in line for line in kept)[True] == 2
    assert f"settle of {unknown} refused: UnknownHold()" in caplog.text
    assert (files(folder), waiting()) == (["jsonl"], 0)
    assert customer.figures() == (90, 0, 90)


def test_a_settlement_after_the_rule_decided_is_no_silent_loss(
    customer: Payer, caplog: pytest.LogCaptureFixture
) -> None:
    hold_id = spooled(customer, 12)
    customer.release(hold_id, "caller_died")

    assert spool.replay() == NOTHING | {"repeats": 1}
    assert f"settle of {hold_id} came too late" in caplog.text


def test_more_than_one_transaction(customer: Payer) -> None:
    ends: list[Any] = [
        Settle(place.hold_id, place.account_id, used(0))
        for place in (customer.order(0) for _ in range(spool.REPLAY_BATCH + 1))
    ]
    holds.commit([customer.order(0, hold_id=end.hold_id) for end in ends])
    for end in ends:
        spool.append(end)

    assert spool.replay() == NOTHING | {"settled": spool.REPLAY_BATCH + 1}


@pytest.mark.once
def test_a_file_that_somebody_has_is_left_to_him(customer: Payer, folder: Path) -> None:
    spooled(customer, 12)
    [path] = folder.iterdir()
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert spool.replay() == NOTHING | {"left": 1}
        spooled(customer, 5)  # nor does the appender wait for him
        assert spool.replay() == NOTHING | {"settled": 1, "left": 1}
    assert spool.replay() == NOTHING | {"settled": 1}
    assert customer.figures() == (83, 0, 83)


def test_a_sweep_replays_before_it_doubts(customer: Payer, clock: Clock) -> None:
    hold_id = customer.hold(30, due_at=START)
    spool.append(Settle(hold_id, customer.account_id, used(12)))
    clock.advance(seconds=1)

    assert sweep_holds() == {"doubted": 0, "closed": 0, "lapsed": 0}
    assert customer.figures() == (88, 0, 88)
    clock.advance(seconds=timedelta(days=1).total_seconds())
    assert sweep_holds() == {"doubted": 0, "closed": 0, "lapsed": 0}
