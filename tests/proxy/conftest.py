"""Gateways and customers for the gateway's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest
from pytest_django.fixtures import Settings

from billing.verification.report import verify
from tests.support.gateway.customers import Customer
from tests.support.gateway.outage import CutLine, LockedFile, Outage
from tests.support.sandbox.server import Sandbox, serve
from tests.support.services.environment import UPSTREAM_API_KEY, wanted_database
from tests.support.services.fixtures import GATEWAYS
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream

Customers: TypeAlias = Callable[..., Customer]

# Small limits, so that reaching them takes a second.
IMPATIENT = {
    "UPSTREAM_CONNECT_SECONDS": "1",
    "UPSTREAM_IDLE_SECONDS": "1",
    "UPSTREAM_REPLY_BYTES_MAX": "100000",
    "GATEWAY_BODY_BYTES_MAX": "100000",
    "GATEWAY_BODY_SECONDS_MAX": "1",
    "DRAIN_SECONDS": "1",
}


@pytest.fixture
def customers(committed_db: None) -> Iterator[Customers]:
    """`customers(credits=5)` makes one more."""
    with ExitStack() as stack:
        yield lambda **options: Customer(stack, **options)


@pytest.fixture
def customer(customers: Customers) -> Customer:
    """A customer with more credits than a test can spend."""
    return customers()


@pytest.fixture(scope="session")
def session_impatient_gateway(
    django_db_setup: None, upstream_server: Upstream, services_folder: Path
) -> Iterator[Gateway]:
    """The gateway behind `impatient_gateway`; tests don't use it directly."""
    environment = {
        "UPSTREAM_BASE_URL": upstream_server.url,
        "UPSTREAM_API_KEY": UPSTREAM_API_KEY,
        **IMPATIENT,
    }
    gateway = Gateway(folder=services_folder, environment=environment)
    yield gateway
    gateway.stop()


@pytest.fixture
def impatient_gateway(
    session_impatient_gateway: Gateway,
    committed_db: None,
    upstream: Upstream,
    request: pytest.FixtureRequest,
) -> Gateway:
    """A running gateway whose limits are reached within a second; shared."""
    if not session_impatient_gateway.is_running:
        session_impatient_gateway.start()
    request.node.stash.setdefault(GATEWAYS, []).append(session_impatient_gateway)
    return session_impatient_gateway


@pytest.fixture
def worker_upstream(upstream: Upstream, settings: Settings) -> None:
    """The worker's tasks, when a test runs them in its own process, ask `upstream`."""
    settings.UPSTREAM_BASE_URL = upstream.url


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """The honest stand-in, as a gateway's upstream: `UPSTREAM_BASE_URL=….base_url`."""
    with serve(tmp_path) as started:
        yield started


@pytest.fixture
def outage(database_url: str) -> Iterator[Outage]:
    """Of the gateway's database only: the test itself still reaches it."""
    kind = LockedFile if wanted_database() == "sqlite" else CutLine
    made = kind(database_url)
    yield made
    made.close()


@pytest.fixture
def clean_ledger(committed_db: None) -> Iterator[None]:
    """After the test, the ledger proves itself."""
    yield
    report = verify()
    assert report.ok, report.findings
