"""What is kept for a retry: found by other processes, unreadable, and not for ever."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

import pytest
from django.db import connection

from billing.values import clock
from portal.tenants import keys, organizations
from proxy import tasks
from proxy.idempotency import stored_replies
from proxy.idempotency.attempts import Reply
from proxy.idempotency.stored_replies import Keeper, Kept
from proxy.models import StoredReply
from tests.proxy.conftest import Customers
from tests.support.cast import actor_of
from tests.support.gateway.customers import Customer
from tests.support.gateway.retrying import Leaver, keyed, lost, retried, stored
from tests.support.gateway.video_jobs import VideoJob
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway
from tests.support.upstream import Upstream, chat_json
from tests.support.waiting import PATIENCE_SECONDS, wait_for

pytestmark = pytest.mark.usefixtures("clean_ledger")

CANARY = "canary-7f3a-in-the-coal-mine"


def test_another_process_finds_the_reply(
    live_gateway: Gateway,
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
) -> None:
    other = gateway()
    lost(customer, live_gateway, upstream, chat_json(credits=6, text=CANARY))
    stored(customer)
    again = retried(customer, other, 1)

    [hold] = customer.holds()
    assert again.headers["x-idempotent-replay"] == "true"
    assert again.headers["x-request-id"] == f"req_{hold.id.hex}"
    assert again.headers["content-type"] == "application/json"
    assert again.json()["choices"][0]["message"]["content"] == CANARY
    assert len(upstream.journal) == 1
    assert customer.charged_credits() == 6


def test_nobody_reads_an_answer_in_the_table_or_moves_it_to_another_call(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    upstream.on(model="m", reply=chat_json(text=CANARY))
    first = retried(customer, live_gateway, 0, user=CANARY)
    [row] = stored(customer)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM proxy_storedreply")
        table = [
            bytes(str(value), "utf-8")
            if not isinstance(value, bytes | memoryview)
            else bytes(value)
            for line in cursor.fetchall()
            for value in line
        ]
    assert bytes(row.sealed) in table
    assert not any(CANARY.encode() in value for value in table)
    reply = stored_replies.unseal(row)
    assert reply is not None
    assert reply.content == first.content
    assert CANARY.encode() in reply.content
    row.hold_id = uuid4()
    assert stored_replies.unseal(row) is None


def test_another_process_says_that_a_call_still_runs(
    live_gateway: Gateway,
    gateway: GatewayFactory,
    upstream: Upstream,
    customer: Customer,
) -> None:
    other = gateway()
    with Leaver(customer, live_gateway, upstream):
        again = retried(customer, other, 1, patience=2)
    assert again.json()["error"]["code"] == "request_in_progress"
    assert again.headers["retry-after"] == "1"
    assert "x-should-retry" not in again.headers
    customer.wait_records(1)
    assert len(upstream.journal) == 1


def test_an_organization_may_have_nothing_kept(
    live_gateway: Gateway, upstream: Upstream, customers: Customers
) -> None:
    private, other = customers(), customers()
    private.organization.stores_replies = False
    private.organization.save()
    lost(private, live_gateway, upstream)
    lost(other, live_gateway, upstream)
    stored(other)  # written after the first one would have been
    again = retried(private, live_gateway, 1)

    rows = StoredReply.objects.filter(account_id=private.account_id)
    assert not rows.exists()
    assert again.json()["error"]["code"] == "already_completed"
    assert len(private.records()) == 1


def test_a_revoked_key_gets_no_answer_again(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    lost(customer, live_gateway, upstream)
    keys.revoke(customer.key, actor=actor_of(customer.owner))
    assert retried(customer, live_gateway, 1).status_code == 401


def test_what_is_past_its_time_is_purged(
    live_gateway: Gateway, customer: Customer
) -> None:
    retried(customer, live_gateway, 0)
    [row] = stored(customer)
    tasks.purge_replies()
    assert StoredReply.objects.filter(pk=row.pk).exists()
    StoredReply.objects.filter(pk=row.pk).update(expires_at=clock.now())
    assert tasks.purge_replies() >= 1
    assert not StoredReply.objects.filter(pk=row.pk).exists()


def test_what_an_organization_wants_kept_no_more_is_taken_out(
    live_gateway: Gateway,
    gateway: GatewayFactory,
    upstream: Upstream,
    customers: Customers,
) -> None:
    private, other = customers(), customers()
    lost(private, live_gateway, upstream)
    keyed(private, live_gateway)
    lost(other, live_gateway, upstream)
    actor = actor_of(private.owner)
    organizations.change(private.organization, stores_replies=False, actor=actor)
    # This gateway remembers the key for a while, and keeps one more.
    keyed(private, live_gateway, "order-2")
    wait_for(lambda: len(stored(private)) == 3)
    stored(other)
    # One that learns of it now gives nothing out, also before the purge.
    elsewhere = gateway()
    early = retried(private, elsewhere, 1)
    assert early.json()["error"]["code"] == "already_completed"
    stored_replies.purge(batch_rows=2)

    rows = StoredReply.objects.filter(account_id=private.account_id)
    assert not rows.exists()
    assert stored_replies.unseal(stored(other)[0]) is not None
    # And nothing is made twice: what tells of the calls is still there.
    for again in (keyed(private, elsewhere), keyed(private, elsewhere, "order-2")):
        assert again.json()["error"]["code"] == "already_completed"
    assert len(private.holds()) == 3
    assert len(upstream.journal) == 4


def test_the_receipt_of_a_job_is_given_again(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    video_job = VideoJob(upstream)
    customer.http(live_gateway).headers["idempotency-key"] = "order-1"
    first = video_job.order(customer, live_gateway)
    [row] = stored(customer)
    again = video_job.order(customer, live_gateway)

    assert again.json() == first.json()
    assert again.headers["x-job-id"] == first.headers["x-job-id"]
    assert [hold.id for hold in customer.holds()] == [row.hold_id]


def test_where_no_receipt_is_kept_a_job_that_runs_is_ordered_once_all_the_same(
    live_gateway: Gateway, upstream: Upstream, customer: Customer
) -> None:
    customer.organization.stores_replies = False
    customer.organization.save()
    video_job = VideoJob(upstream)
    customer.http(live_gateway).headers["idempotency-key"] = "order-1"
    video_job.order(customer, live_gateway)
    again = video_job.order(customer, live_gateway)

    assert again.json()["error"]["code"] == "request_in_progress"
    assert len(customer.holds()) == 1


def test_when_too_much_waits_to_be_written_the_oldest_is_dropped() -> None:
    written: list[bytes] = []
    over: list[bytes] = []

    def write(batch: list[Kept]) -> None:
        written.extend(kept.reply.content for kept in batch)
        if written[-1] == b"666":
            raise ValueError("as a database may")

    keeper = Keeper(write, bytes_max=6)

    def put(*contents: bytes) -> None:
        for content in contents:
            keeper.put(
                Kept(
                    Reply(200, {}, content),
                    "3" * 32,
                    1,
                    partial(over.append, content),
                )
            )

    put(b"333", b"444", b"555")
    assert written == []
    keeper.flush(PATIENCE_SECONDS)
    assert (written, over) == ([b"444", b"555"], [b"333", b"444", b"555"])
    put(b"666")  # fails, and the next is written all the same
    keeper.flush(PATIENCE_SECONDS)
    put(b"777")
    keeper.flush(PATIENCE_SECONDS)
    assert written[-1] == over[-1] == b"777"
