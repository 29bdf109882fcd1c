"""The worker credits what no webhook told: over files, over Redis, and while Redis is
gone. `BROKER_LOST_SECONDS` says for how long; `make endure` has a minute."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from pytest_django import Settings

from billing.models import TopUp
from portal.models import ScheduledTask
from tests.support.cast import make_organization, make_user
from tests.support.payments_sandbox import KEY, Stripe
from tests.support.portal.card_shop import CardShop
from tests.support.services.redis_server import RedisServer
from tests.support.services.worker import Worker
from tests.support.waiting import wait_for

LOST_SECONDS = int(os.environ.get("BROKER_LOST_SECONDS", "2"))

pytestmark = pytest.mark.once


@pytest.fixture
def shop(committed_db: None, selling: Settings) -> Iterator[CardShop]:
    ScheduledTask.objects.all().delete()
    owner = make_user(f"{uuid4().hex}@example.com")
    organization = make_organization(f"Lost {uuid4().hex[:8]}", owner, credits=0)
    with Stripe() as sandbox:
        yield CardShop(organization, sandbox)
    ScheduledTask.objects.all().delete()


def working(shop: CardShop, folder: Path, redis_url: str) -> Worker:
    return Worker(
        folder,
        REDIS_URL=redis_url,
        STRIPE_SECRET_KEY=KEY,
        STRIPE_API_BASE=shop.sandbox.sandbox.url,
        PAYMENT_SWEEP_SECONDS="1",
    )


def paid_unheard(shop: CardShop) -> TopUp:
    topup = shop.buy()
    shop.press(topup)
    return topup


def wait_until_credited(shop: CardShop, topup: TopUp, worker: Worker) -> None:
    def is_credited() -> bool:
        topup.refresh_from_db()
        return topup.status == "paid"

    wait_for(is_credited, explain=worker.text)
    assert shop.granted() == shop.owed()


def test_over_files(shop: CardShop, tmp_path: Path) -> None:
    topup = paid_unheard(shop)
    with working(shop, tmp_path, "") as worker:
        wait_until_credited(shop, topup, worker)


def test_over_redis_and_while_it_is_gone(
    shop: CardShop, tmp_path: Path, redis_server: RedisServer
) -> None:
    with working(shop, tmp_path, redis_server.url) as worker:
        wait_until_credited(shop, paid_unheard(shop), worker)
        redis_server.process.kill()
        redis_server.process.wait()
        lost_at = time.monotonic()
        wait_until_credited(shop, paid_unheard(shop), worker)
        while time.monotonic() < lost_at + LOST_SECONDS:
            wait_until_credited(shop, paid_unheard(shop), worker)
        redis_server.start()
        wait_until_credited(shop, paid_unheard(shop), worker)
        assert worker.process.poll() is None
        assert worker.stop() == 0
