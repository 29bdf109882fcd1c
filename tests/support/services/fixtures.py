"""Fixtures for what runs outside the test's own process.

A live gateway sees committed rows only, so its tests use `committed_db`, never `db`:
on SQLite an open `db` transaction also holds the write lock, and every write of the
gateway would wait for the test to end.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.support.services import environment, requirements
from tests.support.services.gateway import Gateway
from tests.support.services.postgres import Cluster
from tests.support.services.redis_server import RedisServer
from tests.support.upstream import Upstream

GatewayFactory: TypeAlias = Callable[..., Gateway]
GATEWAYS = pytest.StashKey[list[Gateway]]()
LOG_CHARACTERS_SHOWN = 6000


@pytest.fixture(scope="session")
def services_folder() -> Path:
    """Logs and data of the services; removed when the run is over."""
    return Path(environment.folder())


@pytest.fixture
def spare_cluster() -> Iterator[Cluster]:
    """A PostgreSQL of the test's own, which it may crash and launch again."""
    programs = requirements.find_postgresql()
    if programs is None:
        requirements.missing("PostgreSQL's server")
    cluster = Cluster(programs).start()
    yield cluster
    cluster.stop()


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    program = requirements.find_program("redis-server")
    if program is None:
        requirements.missing("redis-server")
    server = RedisServer(program, folder).start()
    yield server
    server.process.send_signal(signal.SIGCONT)  # who is frozen does not end
    server.stop()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A private Redis, empty at first; use keys or database numbers of your own."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """One of the test's own, which it may freeze, stop and restart."""
    with running_redis(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> Iterator[str]:
    """The path of a Chromium; what runs of it ends with the session."""
    # Here, for those who need none.
    from tests.support.portal import browser

    path = requirements.find_program("chromium", "chromium-browser", "google-chrome")
    yield path or requirements.missing("Chromium")
    browser.shared.end()


@pytest.fixture(scope="session")
def chromedriver() -> str:
    """The path of Chromium's WebDriver server."""
    return requirements.find_program("chromedriver") or requirements.missing(
        "chromedriver (Debian: chromium-driver)"
    )


@pytest.fixture(scope="session")
def upstream_server() -> Iterator[Upstream]:
    """One upstream for the session; tests use `upstream`."""
    with Upstream() as server:
        yield server


@pytest.fixture
def upstream(upstream_server: Upstream) -> Upstream:
    """The upstream with no behaviours and an empty journal."""
    upstream_server.reset()
    return upstream_server


def _environment(upstream: Upstream, extra: dict[str, Any]) -> dict[str, str]:
    wanted = {
        "UPSTREAM_BASE_URL": upstream.url,
        "UPSTREAM_API_KEY": environment.UPSTREAM_API_KEY,
        "WEB_CONCURRENCY": 1,
        **extra,
    }
    return {name: str(value) for name, value in wanted.items()}


@pytest.fixture(scope="session")
def session_gateways(
    django_db_setup: None, upstream_server: Upstream, services_folder: Path
) -> Iterator[dict[str, Gateway]]:
    """The gateways behind `live_gateway` and `quiet_gateway`; tests don't use it."""
    made = {
        name: Gateway(
            folder=services_folder, environment=_environment(upstream_server, {})
        )
        for name in ("live", "quiet")
    }
    yield made
    for each in made.values():
        each.stop()


def _running(gateway: Gateway, request: pytest.FixtureRequest) -> Gateway:
    if not (gateway.is_running and gateway.is_healthy()):
        gateway.restart()
    request.node.stash.setdefault(GATEWAYS, []).append(gateway)
    return gateway


@pytest.fixture
def live_gateway(
    session_gateways: dict[str, Gateway],
    committed_db: None,
    upstream: Upstream,
    request: pytest.FixtureRequest,
) -> Gateway:
    """A running gateway of one process over the test database and `upstream`.

    It is shared by the session: what a test kills is up again for the next one.
    """
    return _running(session_gateways["live"], request)


@pytest.fixture
def quiet_gateway(
    session_gateways: dict[str, Gateway],
    committed_db: None,
    upstream: Upstream,
    request: pytest.FixtureRequest,
) -> Gateway:
    """One more of the same, for tests that read what it says: none of the other tests'
    calls, which may end late, is told of in its log."""
    return _running(session_gateways["quiet"], request)


@pytest.fixture
def gateway(
    committed_db: None,
    upstream: Upstream,
    services_folder: Path,
    request: pytest.FixtureRequest,
) -> Iterator[GatewayFactory]:
    """`gateway(WEB_CONCURRENCY=2, LEASE_SECONDS=1, …)` starts one of your own."""
    with ExitStack() as stack:

        def start(**variables: Any) -> Gateway:
            started = Gateway(
                folder=services_folder, environment=_environment(upstream, variables)
            )
            request.node.stash.setdefault(GATEWAYS, []).append(started)
            stack.callback(started.stop)
            started.start()
            return started

        yield start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows the end of its gateways' logs."""
    report = yield
    if report.failed:
        for each in item.stash.get(GATEWAYS, []):
            shown = each.log_text()[-LOG_CHARACTERS_SHOWN:]
            report.sections.append((f"log of the gateway at {each.url}", shown))
    return report
