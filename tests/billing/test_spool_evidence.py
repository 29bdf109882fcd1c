"""Part of the spool is not the whole: nothing is decided by it, and nothing deleted."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from billing.ledger import rules, spool, sql
from billing.models import Hold
from billing.tasks import sweep_holds
from billing.values.orders import Order, Release, Settle, Withdraw
from tests.support.ledger.clocks import Clock
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


def spooled(customer: Payer, price: int, bound: int = 40) -> str:
    """A hold whose settlement waits, in a file of its own."""
    hold_id = customer.hold(bound)
    spool.append(Settle(hold_id, customer.account_id, used(price)))
    spool._own.close()
    return hold_id


def unreadable(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """The disk does not read these files."""
    read = Path.read_bytes

    def fail(path: Path) -> bytes:
        if path.name.partition(".")[0] in names:
            raise OSError(5, "Input/output error")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", fail)


def test_no_doubt_is_closed_while_its_price_cannot_be_read(
    customer: Payer,
    folder: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hold_id = spooled(customer, 40)
    [path] = folder.iterdir()
    other = customer.hold(10)
    clock.advance(hours=1)
    with monkeypatch.context() as broken:
        unreadable(broken, path.name.partition(".")[0])
        assert sweep_holds() == {"doubted": 2, "closed": 0, "lapsed": 0}
        clock.advance(days=1)
        assert sweep_holds() == {"doubted": 0, "closed": 0, "lapsed": 0}
        assert len(list(folder.iterdir())) == 1
        assert "no doubt is closed" in caplog.text
    assert {each.state for each in Hold.objects.all()} >= {"in_doubt"}

    assert sweep_holds() == {"doubted": 0, "closed": 1, "lapsed": 0}
    assert Hold.objects.get(id=hold_id).state == "settled"
    assert Hold.objects.get(id=other).state == "released"
    assert customer.figures() == (60, 0, 60)
    assert list(folder.iterdir()) == []


def test_one_file_that_cannot_be_read_keeps_no_other(
    customer: Payer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spooled(customer, 1)
    [path] = folder.iterdir()
    spooled(customer, 2)
    with monkeypatch.context() as broken:
        unreadable(broken, path.name.partition(".")[0])
        assert spool.replay() == NOTHING | {"settled": 1, "left": 1}
    assert spool.replay() == NOTHING | {"settled": 1}
    assert customer.figures() == (97, 0, 97)


def test_what_is_no_file_or_no_folder_is_no_empty_spool(
    customer: Payer, folder: Path
) -> None:
    assert spool.replay() == NOTHING  # there was never any
    folder.mkdir()
    (folder / "1-0.jsonl").mkdir()
    assert spool.replay() == NOTHING | {"left": 1}
    (folder / "1-0.jsonl.claimed").rmdir()
    folder.rmdir()
    folder.write_text("no folder")
    assert spool.replay() == NOTHING | {"left": 1}


def test_a_sweep_goes_on_without_the_spool(
    customer: Payer, folder: Path, clock: Clock
) -> None:
    customer.hold(10)
    customer.grant(5, expires_at=clock.moment + timedelta(minutes=1))
    folder.write_text("no folder")
    clock.advance(hours=1)
    assert sweep_holds() == {"doubted": 1, "closed": 0, "lapsed": 1}


def line(**values: Any) -> bytes:
    """A settlement as `append` writes it, but for these values."""
    usage = (
        '"basis": "upstream", "cost": %(cost)s, "upstream": %(upstream)s, '
        '"prompt_tokens": %(tokens)s, "completion_tokens": 0, "components": {}, '
        '"upstream_id": %(id)s, "streamed": false, "duration_ms": 0, "flags": []'
    )
    usual = {"hold": f'"{uuid.uuid4().hex}"', "account": "7", "cost": "1"}
    usual |= {"upstream": "1", "tokens": "0", "id": '""', "reason": '""'}
    text = (
        '{"v": 1, "hold": %(hold)s, "account": %(account)s, "reason": %(reason)s, '
        '"order": "settle", "usage": {' + usage + "}}\n"
    )
    return (text % (usual | values)).encode()


POISON: list[dict[str, str]] = [
    {"cost": "null"},
    {"cost": '"12"'},
    {"cost": "1.0"},
    {"cost": "NaN"},
    {"cost": "1e400"},
    {"cost": "9" * 30},
    {"cost": "9" * 5000},
    {"cost": "-1"},
    {"cost": "true"},
    {"upstream": str(2**64)},
    {"tokens": str(2**64)},
    {"account": str(2**70)},
    {"hold": '["0192f3a1b2c37d4e8f00112233445566"]'},
    {"id": '"\\ud800"'},
    {"id": '"\\u0000"'},
    {"reason": "null"},
]


@pytest.mark.parametrize("values", POISON, ids=str)
def test_one_bad_line_of_any_kind_stops_nothing(
    customer: Payer, folder: Path, clock: Clock, values: dict[str, str]
) -> None:
    hold_id, bad = customer.hold(40), customer.hold(30)
    folder.mkdir()
    whose = {"account": str(customer.account_id)}
    good = line(hold=f'"{hold_id}"', **whose)
    poison = line(**{"hold": f'"{bad}"', **whose, **values})
    (folder / "1-0.jsonl").write_bytes(poison + good)
    clock.advance(hours=1)

    # The bad one's hold is due, as one that nobody answers for.
    assert sweep_holds() == {"doubted": 1, "closed": 0, "lapsed": 0}
    assert customer.figures() == (99, 30, 69)
    assert (folder / "refused.jsonl").read_bytes() == poison
    assert [path.name for path in folder.iterdir()] == ["refused.jsonl"]
    assert wrong_in_the_ledger() == []


def test_a_fault_of_our_own_takes_one_line_and_not_its_neighbours(
    customer: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = spooled(customer, 1)
    spooled(customer, 2)

    def settle(book: Any, order: Order[Any]) -> Any:
        if order.hold_id == bad:
            raise KeyError("a fault of our own")
        return rules.settle(book, order)  # type: ignore[arg-type]

    monkeypatch.setitem(rules.RULES, Settle, settle)
    assert spool.replay() == NOTHING | {"settled": 1, "refused": 1}
    assert customer.figures() == (98, 40, 58)


def test_tables_of_another_release_are_no_lines_fault(
    customer: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    spooled(customer, 1)
    with monkeypatch.context() as older:
        older.setattr(sql, "READ_HOLDS", sql.READ_HOLDS.replace("model", "no_column"))
        assert spool.replay() == NOTHING | {"left": 1}
    assert waiting() == 1
    assert spool.replay() == NOTHING | {"settled": 1}


# --- withdrawals ---------------------------------------------------------------------


def test_a_hold_that_stands_is_withdrawn_and_one_that_does_not_is_nothing(
    customer: Payer,
) -> None:
    placed, never = customer.hold(30), customer.order(10)
    for order in (never, customer.order(1, hold_id=placed)):
        spool.append(Withdraw(order.hold_id, order.account_id))
    assert customer.figures() == (100, 30, 70)

    assert spool.replay() == NOTHING | {"settled": 1, "repeats": 1}
    assert customer.figures() == (100, 0, 100)
    hold = Hold.objects.get(id=placed)
    assert (hold.state, hold.reason) == ("released", "not_forwarded")
    assert not Hold.objects.filter(id=never.hold_id).exists()
    assert wrong_in_the_ledger() == []


def test_a_doubt_is_withdrawn_and_what_is_over_stays(customer: Payer) -> None:
    doubted, settled = customer.hold(30), customer.call(5)
    released = customer.hold(3)
    customer.release(released)
    customer.doubt(doubted)
    for hold_id in (doubted, settled, released):
        spool.append(Withdraw(hold_id, customer.account_id))
    assert spool.replay() == NOTHING | {"settled": 1, "repeats": 2}
    assert customer.figures() == (95, 0, 95)
    assert Hold.objects.get(id=settled).state == "settled"
    assert Hold.objects.get(id=released).reason == "upstream_refused"


def test_nobody_withdraws_a_strangers_hold(customer: Payer, stranger: Payer) -> None:
    hold_id = stranger.hold(30)
    spool.append(Withdraw(hold_id, customer.account_id))
    assert spool.replay() == NOTHING | {"refused": 1}
    assert stranger.figures() == (100, 30, 70)
    spool.append(Release(hold_id, stranger.account_id, "upstream_refused"))
    assert spool.replay() == NOTHING | {"settled": 1}
