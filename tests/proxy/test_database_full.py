"""No connection to the database is left, or it stands still: pages and calls say so,
and when there is one again they go on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.support.gateway.customers import Customer
from tests.support.gateway.outage import Outage
from tests.support.gateway.refused import assert_refusal
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.waiting import PATIENCE_SECONDS, wait_for

pytestmark = pytest.mark.usefixtures("clean_ledger")

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
SIGN_IN = "/account/sign-in"


def test_a_page_without_its_database_is_a_503_and_one_line(
    gateway: GatewayFactory, outage: Outage
) -> None:
    served = gateway(DATABASE_URL=outage.url)
    with signing_in(served) as browser:
        outage.begin()
        assert_away(try_in(browser))
        outage.end()
        wait_for(lambda: try_in(browser).status_code in (200, 429))
    assert "Traceback" not in served.log_text()


@pytest.mark.postgres_only
def test_who_gets_no_connection_is_told_so_and_the_start_has_said_it(
    gateway: GatewayFactory, customer: Customer, database_url: str
) -> None:
    with (
        psycopg.connect(database_url, autocommit=True) as operator,
        few_connections(operator, 20) as role,
    ):
        owner = urlsplit(database_url).username
        served = gateway(DATABASE_URL=database_url.replace(f"{owner}@", f"{role}@"))
        assert customer.chat(served).status_code == 200
        said = " ".join(served.log_text().split())
        assert "PostgreSQL lets in 20 connections, 3 processes here" in said
        assert "DATABASE_POOL_MAX=5, or raise the role's CONNECTION LIMIT" in said
        with signing_in(served) as browser:
            assert try_in(browser).status_code == 200
            operator.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
            operator.execute(HANG_UP, [role])
            with ThreadPoolExecutor() as pool:
                pages = pool.map(lambda _: try_in(browser), range(4))
                calls = pool.map(lambda _: customer.chat(served), range(4))
                for page in pages:
                    assert_away(page)
                for call in calls:
                    assert_refusal(call, 503, "ledger_unavailable")
                    assert call.headers["retry-after"]
            operator.execute(f"ALTER ROLE {role} CONNECTION LIMIT 20")
            wait_for(lambda: try_in(browser).status_code in (200, 429))
            wait_for(lambda: customer.chat(served).status_code == 200)
        served.stop()
        assert "Traceback" not in served.log_text()


HANG_UP = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"


@contextmanager
def few_connections(
    operator: psycopg.Connection[tuple[object, ...]], most: int
) -> Iterator[str]:
    """A role with all rights of the database's owner, and so many connections."""
    role = "few"
    operator.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT {most}")
    operator.execute(f"GRANT {operator.info.user} TO {role}")
    try:
        yield role
    finally:
        operator.execute(HANG_UP, [role])
        operator.execute(f"DROP OWNED BY {role}")
        operator.execute(f"DROP ROLE {role}")


@contextmanager
def signing_in(served: Gateway) -> Iterator[httpx.Client]:
    """A browser with the page of signing in open, whose form says nothing right."""
    with httpx.Client(base_url=served.url, timeout=PATIENCE_SECONDS) as browser:
        page = browser.get(SIGN_IN)
        browser.headers["x-csrftoken"] = TOKEN.findall(page.text)[0]
        yield browser


def try_in(browser: httpx.Client) -> httpx.Response:
    """As somebody who has no account."""
    form = {"login": "nobody@example.com", "password": "a guess that is wrong"}
    return browser.post(SIGN_IN, data=form)


def assert_away(page: httpx.Response) -> None:
    assert page.status_code == 503, page.text
    assert page.headers["retry-after"] == "5"
    assert "The database does not answer" in page.text
