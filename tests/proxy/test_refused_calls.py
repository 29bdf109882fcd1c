"""The gateway notes what it refuses beside its calls, so that people see why."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from billing.values.errors import LedgerUnavailable
from portal.models import RefusedCount, RefusedRequest
from portal.tenants import keys, refused
from proxy.process import noting
from proxy.process import refused as process
from proxy.process.refused import Refusals
from tests.support.cast import OPERATOR
from tests.support.gateway.customers import SAY_HI, Customer
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream
from tests.support.waiting import wait_for

BODY = {"model": "any", "messages": SAY_HI}


def test_a_stopped_gateway_has_written_what_it_refused(
    gateway: Any, upstream: Upstream, customer: Customer
) -> None:
    served: Gateway = gateway()
    revoked, secret = customer.new_key()
    keys.revoke(revoked, actor=OPERATOR)
    assert customer.chat(served).status_code == 200
    told = [
        customer.chat(served, max_tokens=-1),
        customer.chat(served, model="x" * 9000),
        customer.http(served).get("/jobs/none"),  # no call: not counted
        httpx.post(
            f"{served.base_url}/chat/completions",
            headers={"authorization": f"Bearer {secret}"},
            json=BODY,
        ),
    ]
    assert [each.status_code for each in told] == [400, 400, 404, 401]
    served.stop()

    organization = customer.organization

    def written() -> bool:
        rows = RefusedCount.objects.filter(organization=organization)
        return sum(row.requests for row in rows) == 3

    wait_for(written)
    rows = {
        row.request_id: row
        for row in RefusedRequest.objects.filter(organization=organization)
    }
    for answer in (told[0], told[1], told[3]):
        row, error = rows[answer.headers["x-request-id"]], answer.json()["error"]
        assert (row.code, row.status) == (error["code"], answer.status_code)
        assert row.message == error["message"][: refused.MESSAGE_MAX]
        assert row.operation == "chat.completions"
    assert len(rows) == 3


def test_a_call_that_is_not_refused_leaves_nothing(
    gateway: Any, upstream: Upstream, customer: Customer
) -> None:
    served: Gateway = gateway()
    assert customer.chat(served).status_code == 200
    served.stop()
    found = RefusedCount.objects.filter(organization=customer.organization)
    assert not found.exists()


def note(refusals: Refusals, spender_id: int, code: str = "x") -> None:
    refusals.note(spender_id, "req_" + "0" * 32, code=code, status=400, message="no")


def test_it_remembers_so_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "COUNTS_MAX", 3)
    monkeypatch.setattr(process, "KEYS_MAX", 2)
    refusals = Refusals()
    for number in range(9):
        for _ in range(refused.LATEST + 3):
            note(refusals, number)
    assert len(refusals._counts) == 3
    assert [len(each) for each in refusals._latest.values()] == [refused.LATEST] * 2


def test_a_database_that_is_away_costs_what_was_refused_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(_change: object) -> None:
        raise LedgerUnavailable("away")

    monkeypatch.setattr(noting, "write_if_free", away)
    refusals = Refusals()
    note(refusals, 1)
    asyncio.run(refusals.flush())
    assert not refusals._counts
