"""The services really start, are private, and survive what tests do to them."""

from __future__ import annotations

from uuid import uuid4

import httpx
import psycopg
import pytest
import redis
from django.db import connection

from tests.support import cast
from tests.support.services import commands
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.services.postgres import Cluster
from tests.support.upstream import Upstream
from tests.support.waiting import PATIENCE_SECONDS


def test_a_crashed_cluster_keeps_what_was_committed(spare_cluster: Cluster) -> None:
    with psycopg.connect(spare_cluster.url("postgres")) as before:
        before.execute("CREATE TABLE kept AS SELECT 7 AS number")
    spare_cluster.crash()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(spare_cluster.url("postgres"))
    spare_cluster.launch()

    with psycopg.connect(spare_cluster.url("postgres")) as after:
        assert after.execute("SELECT number FROM kept").fetchone() == (7,)
        assert after.execute("SHOW listen_addresses").fetchone() == ("",)
        assert after.execute("SHOW fsync").fetchone() == ("on",)


def test_redis_answers(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.set("tests:greeting", "hello")
        assert client.get("tests:greeting") == b"hello"


def test_chromium_is_a_program(chromium: str, chromedriver: str) -> None:
    assert chromium.startswith("/")
    assert chromedriver.startswith("/")


def test_another_process_sees_committed_rows(
    committed_db: None, database_url: str
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE tests_seen (number integer)")
    look = "from django.db import connection as c; print(c.introspection.table_names())"
    seen = commands.manage("shell", "--no-imports", "-c", look)

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE tests_seen")
    assert "tests_seen" in seen.stdout, seen.stderr


def test_a_gateway_comes_back_at_the_same_address(gateway: GatewayFactory) -> None:
    started = gateway(LOG_LEVEL="INFO")
    url = started.url
    started.kill()
    assert not started.is_running
    assert not started.is_healthy()
    started.restart()

    assert started.url == url
    assert started.is_healthy()


def test_a_call_goes_through_the_live_gateway_to_this_upstream(
    live_gateway: Gateway, upstream: Upstream
) -> None:
    owner = cast.make_user(f"{uuid4().hex}@example.com")
    organization = cast.make_organization(f"Live {uuid4().hex[:8]}", owner)
    _, secret = cast.make_key(organization, owner)

    messages = [{"role": "user", "content": "credits=2"}]
    reply = httpx.post(
        f"{live_gateway.base_url}/chat/completions",
        json={"model": "openai/gpt-4o-mini", "messages": messages},
        headers={"authorization": f"Bearer {secret}"},
        timeout=PATIENCE_SECONDS,
    )

    assert reply.status_code == 200, reply.text
    [entry] = upstream.journal
    assert entry.headers["authorization"] == "Bearer upstream-secret-key"
    assert upstream.total_credits() == 2
    assert reply.headers["x-credits-charged"] == "2"
