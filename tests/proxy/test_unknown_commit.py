"""A client is told that no call was made: then there is soon no hold of it either."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_django.fixtures import Settings

from billing import holds
from billing.ledger import spool
from billing.models import Hold
from billing.values import errors
from billing.values.orders import Place, Placed, Resolved, Withdraw
from proxy.calls.resolving import LedgerAccess, withdrawing
from tests.support.gateway.customers import Customer
from tests.support.gateway.outage import CutLine
from tests.support.gateway.refused import assert_refusal
from tests.support.ledger.payers import Payer
from tests.support.ledger.spooled import waiting
from tests.support.services.fixtures import GatewayFactory
from tests.support.upstream import Upstream
from tests.support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("clean_ledger")


@pytest.fixture
def payer(committed_db: None) -> Payer:
    return Payer.open(credits=100)


@pytest.fixture
def folder(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """This test's own spool."""
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(spool, "_own", spool._OwnFile())
    yield tmp_path / "spool"
    spool._own.close()


def access(failure: Exception, *, is_carried_out: bool) -> LedgerAccess:
    """A ledger that carries the order out or does not, and whose answer is lost."""

    async def submit(order: Any) -> Any:
        if is_carried_out:
            await holds.submit(order)
        raise failure

    return LedgerAccess(submit)


@pytest.mark.parametrize("is_carried_out", [True, False])
def test_a_hold_of_which_nobody_knows_is_given_back(
    payer: Payer, folder: Path, is_carried_out: bool
) -> None:
    lost = access(errors.LedgerUnavailable("lost"), is_carried_out=is_carried_out)
    with pytest.raises(errors.LedgerUnavailable):
        asyncio.run(lost.place(payer.order(30)))
    assert payer.figures()[1] == (30 if is_carried_out else 0)
    assert waiting() == 1  # on disk before the client is told

    spool.replay()
    assert payer.figures() == (100, 0, 100)
    assert waiting() == 0


@pytest.mark.parametrize(
    "failure", [errors.NothingWritten("locked"), errors.AccountLocked("locked")]
)
def test_what_was_surely_not_placed_needs_no_withdrawal(
    payer: Payer, folder: Path, failure: Exception
) -> None:
    with pytest.raises(type(failure)):
        asyncio.run(access(failure, is_carried_out=False).place(payer.order(30)))
    assert waiting() == 0


def test_a_disk_that_takes_no_withdrawal_changes_no_answer(
    payer: Payer, folder: Path
) -> None:
    folder.write_text("no folder")
    lost = access(errors.LedgerUnavailable("lost"), is_carried_out=False)
    with pytest.raises(errors.LedgerUnavailable):
        asyncio.run(lost.place(payer.order(30)))


def test_a_call_that_is_given_up_while_it_is_held_has_no_hold(
    payer: Payer, folder: Path
) -> None:
    seen: list[Any] = []

    async def submit(order: Any) -> Any:
        seen.append(order)
        return await holds.submit(order)

    async def run() -> None:
        placing = asyncio.create_task(LedgerAccess(submit).place(payer.order(30)))
        while not seen:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        placing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await placing
        await withdrawing.wait(60)

    asyncio.run(run())
    assert [type(order) for order in seen] == [Place, Withdraw]
    assert payer.figures() == (100, 0, 100)
    assert Hold.objects.get(id=seen[0].hold_id).state == "released"


def test_in_one_batch_the_withdrawal_comes_after_its_hold(payer: Payer) -> None:
    order = payer.order(30)
    withdraw = Withdraw(order.hold_id, order.account_id)

    async def run() -> list[Any]:
        every = [holds.submit(payer.order(1)) for _ in range(20)]
        return await asyncio.gather(*every, holds.submit(order), holds.submit(withdraw))

    *_, placed, withdrawn = asyncio.run(run())
    assert isinstance(placed, Placed)
    assert isinstance(withdrawn, Resolved)
    assert payer.figures() == (100, 20, 80)
    connections.close_all()


@pytest.mark.postgres_only
def test_a_commit_whose_answer_is_lost_leaves_no_ghost(
    gateway: GatewayFactory, upstream: Upstream, customer: Customer, database_url: str
) -> None:
    outage = CutLine(database_url)
    outage.begins_with_lost_commit = True
    started = gateway(DATABASE_URL=outage.url, LEASE_SECONDS=6)
    assert customer.chat(started).status_code == 200
    customer.wait_over(1)
    outage.commits_to_lose = 1
    assert_refusal(customer.chat(started), 503, "ledger_unavailable")
    assert len(upstream.journal) == 1
    [_, ghost] = customer.holds()
    assert ghost.state == "open"  # it was committed

    outage.end()
    wait_for(lambda: customer.holds()[1].state == "released", explain=started.log_text)
    assert customer.charged_credits() == upstream.total_credits()
    outage.close()
