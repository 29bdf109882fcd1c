"""`kill -9` of the worker among its deliveries: every event comes, under one id.

Full size: WEBHOOK_EVENTS=10000 WEBHOOK_KILLS=10, as `make endure` runs it.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from pytest_django import Settings

from billing import outbox
from billing.models import Event
from portal.models import Delivery, DeliveryState
from portal.notices import endpoints
from portal.notices.endpoints import Wanted
from portal.tenants.audit import Actor
from tests.support.gateway.customers import Customer
from tests.support.portal.receiver import OK, Answer, Came, Receiver
from tests.support.services import processes
from tests.support.services.warm import WarmProcess
from tests.support.waiting import wait_for

EVENTS = int(os.environ.get("WEBHOOK_EVENTS") or 60)
KILLS = int(os.environ.get("WEBHOOK_KILLS") or 1)
BATCH = 500
# What nothing else here emits.
TYPE = "export.ready"

logger = logging.getLogger(__name__)


class EveryThirdFails:
    """A receiver's answers; it remembers which events it has taken."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.asked = 0
        self._lock = threading.Lock()

    def __call__(self, came: Came, number: int) -> Answer:
        with self._lock:
            self.asked += 1
            if number % 3 == 0:
                return 500, {}, b"not now"
            self.taken[came.id] += 1
        return OK


def start_worker(folder: Path, receiver: Receiver, **more: str) -> WarmProcess:
    environment = {
        **os.environ,
        "VAR_DIR": str(folder),
        "WEBHOOK_TRUSTED_HOSTS": receiver.host,
        "WEBHOOK_SECONDS_MAX": "2",
        "WEBHOOK_RETRY_SECONDS": ",".join(["1"] * 20),
        "JOB_POLL_SECONDS": "600",
        **more,
    }
    log = folder / "worker.log"
    return WarmProcess(["worker"], environment=environment, stdout=log)


def kill(worker: WarmProcess) -> None:
    processes.signal_group(worker, signal.SIGKILL)
    worker.wait()


def emit(customer: Customer, count: int) -> set[str]:
    """So many events, and their ids."""
    for begin in range(0, count, BATCH):
        with transaction.atomic():
            for number in range(begin, min(count, begin + BATCH)):
                data: dict[str, Any] = {"object": "key", "number": number}
                outbox.emit(customer.account_id, TYPE, data, key=f"test {number}")
    uids = Event.objects.filter(
        account_id=customer.account_id, key__startswith="test "
    ).values_list("uid", flat=True)
    return {f"evt_{UUID(str(uid)).hex}" for uid in uids}


def listening(customer: Customer, receiver: Receiver) -> None:
    actor = Actor(customer.owner, customer.owner.email)
    wanted = Wanted("Third", receiver.url, [TYPE])
    endpoints.create(customer.organization, wanted, actor=actor)


def waiting(customer: Customer) -> int:
    """Events and deliveries that are not done."""
    undispatched = Event.objects.filter(
        account_id=customer.account_id, dispatched_at=None
    )
    pending = Delivery.objects.filter(
        endpoint__organization=customer.organization, state=DeliveryState.PENDING
    )
    return undispatched.count() + pending.count()


def reached(count: Callable[[], int], enough: int) -> None:
    """Wait while it grows, however slowly."""
    while (seen := count()) < enough:
        before = seen

        def has_grown(before: int = before) -> bool:
            return count() > before

        wait_for(has_grown, explain=count)


@pytest.fixture
def customer(committed_db: None) -> Iterator[Customer]:
    with ExitStack() as stack:
        yield Customer(stack)


@pytest.mark.once
@pytest.mark.timeout(240 + EVENTS // 5 + 60 * KILLS)
def test_a_killed_worker_loses_no_event(
    customer: Customer, tmp_path: Path, settings: Settings
) -> None:
    answers = EveryThirdFails()
    with Receiver(answers) as receiver:
        settings.WEBHOOK_TRUSTED_HOSTS = [receiver.host]
        listening(customer, receiver)
        ids = emit(customer, EVENTS)
        for round in range(KILLS):
            worker = start_worker(tmp_path, receiver)
            enough = answers.asked + max(1, EVENTS // (3 * KILLS))
            reached(lambda: answers.asked, enough)
            kill(worker)
            assert waiting(customer), f"round {round}: it was killed too late"
        worker = start_worker(tmp_path, receiver)
        try:
            reached(lambda: -waiting(customer), 0)
        finally:
            kill(worker)
    assert set(answers.taken) == ids
    assert len(ids) == EVENTS
    twice = sum(times - 1 for times in answers.taken.values())
    logger.warning("%d requests, %d came twice", answers.asked, twice)
    # Twice came only what was under way when a worker died.
    assert twice <= KILLS * 3 * 8
    states = Delivery.objects.filter(endpoint__organization=customer.organization)
    assert set(states.values_list("state", flat=True)) == {DeliveryState.DELIVERED}


@pytest.mark.once
@pytest.mark.parametrize("broker", ["files", "redis", "redis that is lost"])
def test_the_broker_changes_nothing(
    customer: Customer,
    tmp_path: Path,
    settings: Settings,
    broker: str,
    request: pytest.FixtureRequest,
) -> None:
    """Due work is in rows: whatever carries what is sent on demand, and if it is lost
    the whole time, the same events come."""
    more: dict[str, str] = {}
    if broker == "redis":
        more["REDIS_URL"] = request.getfixturevalue("redis_url")
    elif broker == "redis that is lost":
        more["REDIS_URL"] = "redis://127.0.0.1:1/0"
    answers = EveryThirdFails()
    with Receiver(answers) as receiver:
        settings.WEBHOOK_TRUSTED_HOSTS = [receiver.host]
        listening(customer, receiver)
        worker = start_worker(tmp_path, receiver, **more)
        try:
            ids = emit(customer, 20)
            reached(lambda: -waiting(customer), 0)
        finally:
            kill(worker)
    assert answers.taken == dict.fromkeys(ids, 1)
