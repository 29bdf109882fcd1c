"""An event comes at least once, under one id, and a dead receiver costs nobody."""

from __future__ import annotations

import threading

import pytest
from django.db import transaction
from openai import InvalidWebhookSignatureError, OpenAI
from pytest_django import Settings
from standardwebhooks import Webhook

from billing.models import Event
from billing.values import clock as the_clock
from portal.models import (
    AuditEvent,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Organization,
    WebhookEndpoint,
)
from portal.notices import (
    deliveries,
    dispatch,
    endpoints,
    purging,
    sending,
    signing,
)
from portal.notices.endpoints import CHOICES, Wanted
from portal.signing_in import sealing
from portal.tenants.audit import Actor
from tests.portal.notices.conftest import Emit
from tests.support.ledger.clocks import Clock
from tests.support.portal.receiver import OK, Came, Receiver


def run() -> int:
    dispatch.dispatch_due()
    return sending.send_due()


def secret_of(endpoint: WebhookEndpoint) -> str:
    endpoint.refresh_from_db()
    return sealing.unseal(endpoint.sealed_secret)


def test_a_delivery_verifies_with_both_libraries(
    endpoint: WebhookEndpoint, receiver: Receiver, emit: Emit
) -> None:
    event = emit("video.completed", id="video_1", object="video")
    assert run() == 1

    [came] = receiver.came
    secret = secret_of(endpoint)
    assert came.id == event.public_id
    told = Webhook(secret).verify(came.body, came.headers)
    assert (told["id"], told["type"]) == (event.public_id, "video.completed")
    client = OpenAI(api_key="none", webhook_secret=secret)
    unwrapped = client.webhooks.unwrap(came.body, came.headers)
    assert str(unwrapped.type) == "video.completed"
    assert unwrapped.to_dict()["data"] == {"id": "video_1", "object": "video"}
    with pytest.raises(InvalidWebhookSignatureError):
        client.webhooks.unwrap(came.body + b" ", came.headers)
    assert "authorization" not in came.headers
    assert "cookie" not in came.headers


def test_who_was_told_is_told_no_more(
    endpoint: WebhookEndpoint, receiver: Receiver, emit: Emit
) -> None:
    emit("key.created")
    assert (run(), run()) == (1, 0)
    emit("key.created")  # the same once more
    assert run() == 0
    assert len(receiver.came) == 1
    delivery = Delivery.objects.get(endpoint=endpoint)
    assert (delivery.state, delivery.tries) == (DeliveryState.DELIVERED, 1)


def test_only_what_was_chosen_is_sent(
    endpoint: WebhookEndpoint, receiver: Receiver, emit: Emit, owner: Actor
) -> None:
    endpoints.change(endpoint, Wanted(event_types=["key.revoked"]), actor=owner)
    emit("key.created")
    revoked = emit("key.revoked")
    run()
    assert [came.id for came in receiver.came] == [revoked.public_id]


def test_after_a_rotation_both_secrets_verify_for_a_day(
    endpoint: WebhookEndpoint, clock: Clock, emit: Emit, owner: Actor
) -> None:
    event, former = emit("key.created"), secret_of(endpoint)
    new = endpoints.rotate_secret(endpoint, keeps_old=True, actor=owner)
    assert secret_of(endpoint) == new != former
    body = signing.body_of(event)

    def signatures() -> set[str]:
        endpoint.refresh_from_db()
        now = the_clock.now()
        headers = signing.headers_of(endpoint, event.public_id, body, now)
        return set(headers["webhook-signature"].split())

    def by(secret: str) -> str:
        return Webhook(secret).sign(event.public_id, the_clock.now(), body.decode())

    assert signatures() == {by(new), by(former)}
    clock.advance(hours=25)
    assert signatures() == {by(new)}


def test_it_is_tried_again_later_and_later_then_given_up(
    endpoint: WebhookEndpoint,
    receiver: Receiver,
    clock: Clock,
    emit: Emit,
    settings: Settings,
) -> None:
    receiver.answer = lambda came, number: (500, {}, b"no")
    event = emit("key.created")
    waits = []
    while run():
        delivery = Delivery.objects.get(endpoint=endpoint)
        if delivery.state != DeliveryState.PENDING:
            break
        wait = delivery.next_at - the_clock.now()
        waits.append(wait.total_seconds())
        assert run() == 0
        clock.advance(seconds=wait.total_seconds() + 1)
    pauses = deliveries.retry_seconds()
    assert sum(pauses) > 3 * 86_400
    assert len(waits) == len(pauses) == 9
    for waited, pause in zip(waits, pauses, strict=True):
        assert pause <= waited <= pause * 1.1
    assert len(set(waits)) == len(waits)
    assert {came.id for came in receiver.came} == {event.public_id}
    assert len(receiver.came) == 10
    assert DeliveryAttempt.objects.filter(delivery=delivery, status=500).count() == 10
    assert delivery.state == DeliveryState.FAILED
    # Nothing came through for all that time: it is disabled, and the owner told.
    endpoint.refresh_from_db()
    assert endpoint.why_disabled == "failing"
    assert Event.objects.filter(
        type="endpoint.disabled", account=endpoint.organization.account
    ).exists()
    assert AuditEvent.objects.filter(action="webhook.disable").exists()


def test_410_disables_it_at_once(
    endpoint: WebhookEndpoint, receiver: Receiver, emit: Emit, owner: Actor
) -> None:
    receiver.answer = lambda came, number: (410, {}, b"")
    emit("key.created")
    run()
    endpoint.refresh_from_db()
    assert endpoint.why_disabled == "gone"
    emit("key.revoked")
    assert run() == 0
    told = Event.objects.get(type="endpoint.disabled")
    assert told.data["reason"] == "gone"
    assert endpoints.enable(endpoint, actor=owner)
    endpoint.refresh_from_db()
    assert endpoint.is_active


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [(429, {"retry-after": "120"}, 120), (503, {}, 30), (500, {}, 0)],
)
def test_who_cannot_keep_up_is_left_alone(
    endpoint: WebhookEndpoint,
    receiver: Receiver,
    clock: Clock,
    emit: Emit,
    status: int,
    headers: dict[str, str],
    seconds: int,
) -> None:
    receiver.answer = lambda came, number: (status, headers, b"")
    emit("key.created")
    run()
    emit("key.revoked")
    assert run() == (0 if seconds else 1)
    receiver.answer = lambda came, number: OK
    clock.advance(seconds=max(seconds, 6) + 1)
    assert run() > 0


def test_a_claim_keeps_others_off_until_it_runs_out(
    endpoint: WebhookEndpoint, receiver: Receiver, clock: Clock, emit: Emit
) -> None:
    emit("key.created")
    dispatch.dispatch_due()
    assert len(deliveries.claim()) == 1  # and whoever did that is killed
    assert sending.send_due() == 0
    clock.advance(seconds=60)
    assert sending.send_due() == 1
    assert len(receiver.came) == 1


def test_a_slow_receiver_makes_nobody_wait(
    organization: Organization,
    endpoint: WebhookEndpoint,
    receiver: Receiver,
    emit: Emit,
    owner: Actor,
    settings: Settings,
) -> None:
    others_are_done, came_in_time = threading.Event(), []

    def stall(came: Came, number: int) -> tuple[int, dict[str, str], bytes]:
        came_in_time.append(others_are_done.wait(30))
        return OK

    with Receiver(stall) as slow:
        settings.WEBHOOK_TRUSTED_HOSTS.append(slow.host)
        settings.WEBHOOK_SECONDS_MAX = 40
        wanted = Wanted("Slow", slow.url, CHOICES)
        endpoints.create(organization, wanted, actor=owner)

        def answer(came: Came, number: int) -> tuple[int, dict[str, str], bytes]:
            if number == 40:
                others_are_done.set()
            return OK

        receiver.answer = answer
        for number in range(40):
            emit("key.created", key=str(number))
        assert run() == 80
    # All forty were at the quick one while the slow one's first were unanswered.
    assert came_in_time
    assert all(came_in_time)


def test_an_event_that_is_rolled_back_is_told_to_nobody(
    endpoint: WebhookEndpoint, receiver: Receiver, emit: Emit
) -> None:
    with transaction.atomic():
        emit("key.created")
        transaction.set_rollback(True)
    assert run() == 0


def test_what_was_told_long_ago_is_forgotten(
    endpoint: WebhookEndpoint, clock: Clock, emit: Emit, settings: Settings
) -> None:
    old = emit("key.created")
    run()
    clock.advance(days=settings.NOTICE_DAYS + 1)
    waiting, told = emit("key.revoked"), emit("key.rotated")
    dispatch.dispatch_due()
    purging.purge()
    left = set(Event.objects.filter(account_id=old.account_id).values_list("id"))
    assert (old.pk,) not in left
    assert {(waiting.pk,), (told.pk,)} <= left
    assert endpoint.deliveries.count() == 2
