"""What fails on our own side of a job: nothing is sent twice, nothing is forgotten."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.db import OperationalError

from billing.ledger.writer import writer
from billing.models.hold import HoldState
from billing.values import errors
from billing.values.orders import Entrust, Order, Outcome, Settle
from portal.tenants import keys
from proxy.calls import exchange
from proxy.calls.call import Incoming
from proxy.forwarding import forward as forwarding
from proxy.http.errors import GatewayError
from proxy.jobs import reconciliation, rows, submission, waiting
from proxy.models import Job
from proxy.operations import videos
from proxy.process.database import read, write
from proxy.upstream import client as upstream_client
from tests.support.gateway.customers import Customer
from tests.support.gateway.films import Film, make_due, only_job, worker_looks
from tests.support.upstream import Upstream

pytestmark = pytest.mark.usefixtures("clean_books", "worker_upstream")


class Without:
    """A ledger that does not answer to one kind of order."""

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind

    async def submit(self, order: Order) -> Outcome:
        if isinstance(order, self.kind):
            raise errors.LedgerUnavailable("gone")
        return await writer.submit(order)


def gone(*_: Any, **__: Any) -> None:
    raise OperationalError("the database is gone")


def forward(film: Film, customer: Customer, **query: str) -> Any:
    """Order a film in this very process."""
    return asyncio.run(called(film, customer, **query))


async def called(film: Film, customer: Customer, **query: str) -> Any:
    identity = await read(lambda: keys.verify(customer.secret))
    document = {"model": film.model, "prompt": "A cat."}
    understood = videos.read(Incoming(document, query))
    begun = await exchange.begin(understood, identity, customer.secret)
    try:
        return await forwarding.forward(begun)
    finally:
        await upstream_client.close()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(exchange, "SETTLE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(submission, "KEEP_PAUSES", (0.01,))


def test_without_an_intent_nothing_is_sent(
    upstream: Upstream, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "create", gone)
    with pytest.raises(GatewayError) as refused:
        forward(Film(upstream), customer)

    assert (refused.value.status, refused.value.should_retry) == (503, True)
    assert [h.state for h in customer.holds()] == ["released"]
    assert len(upstream.journal) == 0


def test_an_id_that_cannot_be_kept_is_not_answered(
    upstream: Upstream, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "accept", gone)
    with pytest.raises(GatewayError) as refused:
        forward(Film(upstream), customer)

    assert (refused.value.status, refused.value.should_retry) == (503, False)
    assert only_job(customer).state == "submitting"
    assert [h.state for h in customer.holds()] == ["open"]  # it falls due
    assert len(upstream.journal) == 1


def test_an_id_is_kept_when_the_database_is_back_even_if_the_job_was_given_up(
    upstream: Upstream, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    film, is_back, accept = Film(upstream), threading.Event(), rows.accept

    def accept_later(job: Job) -> None:
        if not is_back.is_set():
            gone()
        accept(job)

    async def order() -> None:
        with pytest.raises(GatewayError):
            await called(film, customer)
        [keeps_trying] = submission._keeping
        job = await read(lambda: only_job(customer))
        await write(lambda: rows.conclude(job.id, HoldState.IN_DOUBT))
        is_back.set()
        await keeps_trying

    monkeypatch.setattr(rows, "accept", accept_later)
    monkeypatch.setattr(submission, "KEEP_LATER_SECONDS", 0.05)
    asyncio.run(order())
    job = only_job(customer)
    assert (job.state, job.upstream_id) == ("pending", film.upstream_id)
    assert job.finished_at is None
    film.will_be_done(31)

    assert worker_looks(job).state == "completed"
    assert customer.charged_credits() == 31


def test_a_job_that_is_not_entrusted_yet_is_by_the_next_look(
    upstream: Upstream, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = Film(upstream, credits=9)
    with monkeypatch.context() as patched:
        patched.setattr(reconciliation, "writer", Without(Entrust))
        assert forward(film, customer).status_code == 200
    job = only_job(customer)
    assert job.entrusted_at is None

    assert worker_looks(job).entrusted_at is not None
    [hold] = customer.holds()
    assert (hold.due_at - job.created_at).days == 1


def test_a_crash_of_our_own_does_not_end_a_job(
    upstream: Upstream, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = Film(upstream, credits=9)
    monkeypatch.setattr(waiting, "end_of", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        forward(film, customer, **{"async": "false"})
    job = only_job(customer)
    assert [h.state for h in customer.holds()] == ["open"]

    film.will_be_done(9)
    assert worker_looks(job).state == "completed"
    assert customer.charged_credits() == 9


def test_a_job_that_could_not_be_settled_is_asked_about_again(
    upstream: Upstream, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = Film(upstream, credits=9)
    forward(film, customer)
    job = only_job(customer)
    film.will_be_done(9)
    with monkeypatch.context() as patched:
        patched.setattr(reconciliation, "writer", Without(Settle))
        assert worker_looks(job).state == "pending"
    assert job.claimed_until is not None  # runs out by itself
    assert customer.records() == []

    assert worker_looks(job).state == "completed"
    assert customer.charged_credits() == 9


def test_a_row_that_could_not_be_written_is_charged_once(
    upstream: Upstream, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = Film(upstream, credits=9)
    forward(film, customer)
    job = only_job(customer)
    film.will_be_done(9)
    with monkeypatch.context() as patched:
        patched.setattr(rows, "finish", gone)
        assert worker_looks(job).state == "pending"
    # The upstream has changed its mind meanwhile: the ledger has not.
    film.will_be_done(70)
    make_due(job)

    assert worker_looks(job).state == "completed"
    assert customer.charged_credits() == 9
    assert job.charged_micros == 9_000_000
