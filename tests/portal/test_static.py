"""The pages' own files, from the real server."""

from __future__ import annotations

import httpx
import pytest

from tests.support.services.gateway import Gateway

pytestmark = pytest.mark.once


def test_a_file_comes_without_a_word_in_the_log(quiet_gateway: Gateway) -> None:
    said_before = len(quiet_gateway.log_text())
    reply = httpx.get(f"{quiet_gateway.url}/static/tollgate/tollgate.css")

    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/css")
    assert quiet_gateway.log_text()[said_before:] == ""
