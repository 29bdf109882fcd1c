"""What a watcher asks: is the process up, can it work."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.test import Client, override_settings

from tests.support.portal import statements


def test_up_says_ok_and_asks_no_database(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok")


def test_ready_when_the_database_answers(client: Client, db: None) -> None:
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_watcher_may_call_us_by_any_name_and_without_encryption(
    client: Client, db: None, path: str
) -> None:
    with override_settings(
        ALLOWED_HOSTS=["tollgate.example"], SECURE_SSL_REDIRECT=True
    ):
        assert client.get(path, headers={"host": "10.0.3.7:8000"}).status_code == 200
        assert client.post(path, headers={"host": "10.0.3.7:8000"}).status_code == 405
        assert client.get("/", headers={"host": "10.0.3.7:8000"}).status_code == 400


def test_not_ready_when_it_does_not(client: Client, db: None) -> None:
    with statements.failing("SELECT 1", OperationalError("password=secret")):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert b"secret" not in answer.content
