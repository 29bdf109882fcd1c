"""Endpoints: what is refused with its field, and that no address leads inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from portal.models import (
    AuditEvent,
    DeliveryAttempt,
    Organization,
    WebhookEndpoint,
)
from portal.notices import dispatch, endpoints, reach, sending
from portal.notices.endpoints import CHOICES, InvalidEndpoint, TooManyEndpoints, Wanted
from portal.outbound import Guard
from portal.tenants.audit import Actor
from tests.portal.notices.conftest import Emit
from tests.support.ledger.clocks import Clock
from tests.support.portal.hostile import HOSTILE, canary
from tests.support.portal.receiver import Answer, Came, Receiver

PUBLIC = "93.184.215.14"


def create(organization: Organization, owner: Actor, **fields: Any) -> WebhookEndpoint:
    usual = {"name": "Hook", "url": f"https://{PUBLIC}/", "event_types": CHOICES}
    return endpoints.create(organization, Wanted(**{**usual, **fields}), actor=owner)[0]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"event_types": []}, "event_types"),
        ({"event_types": ["no.such"]}, "event_types"),
        ({"event_types": ["endpoint.test"]}, "event_types"),
        ({"url": f"http://{PUBLIC}/"}, "url"),
        ({"url": f"http://{PUBLIC}:443/"}, "url"),
        ({"url": f"https://{PUBLIC}:25/"}, "url"),
        ({"url": "https://no-such-host.invalid/"}, "url"),
        ({"url": "https://8.8.8.8/" + "a" * 2000}, "url"),
    ],
)
def test_a_field_that_makes_no_sense_is_named(
    organization: Organization, owner: Actor, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidEndpoint) as caught:
        create(organization, owner, **fields)
    assert caught.value.field == field
    assert len(str(caught.value)) > 10
    assert not organization.webhook_endpoints.exists()


@pytest.mark.once
def test_every_bad_address_is_a_field_error(
    organization: Organization, owner: Actor
) -> None:
    assert len(HOSTILE) >= 60
    with canary() as port:
        for url in HOSTILE:
            with pytest.raises(InvalidEndpoint) as caught:
                create(organization, owner, url=url.format(port=port))
            assert caught.value.field == "url", url
    assert not organization.webhook_endpoints.exists()
    assert not AuditEvent.objects.filter(action="webhook.create").exists()


def test_twenty_endpoints_are_enough(organization: Organization, owner: Actor) -> None:
    for _ in range(endpoints.ENDPOINTS_MAX):
        create(organization, owner)
    with pytest.raises(TooManyEndpoints):
        create(organization, owner)


def test_no_secret_is_readable_in_the_database(
    organization: Organization, owner: Actor
) -> None:
    wanted = Wanted("Hook", f"https://{PUBLIC}/", CHOICES)
    endpoint, secret = endpoints.create(organization, wanted, actor=owner)
    assert secret.startswith("whsec_")
    assert "=" not in secret
    row = WebhookEndpoint.objects.filter(pk=endpoint.pk).values().get()
    assert secret[6:] not in str(row)
    assert not AuditEvent.objects.filter(detail__icontains=secret[6:]).exists()
    chat = f"https://{PUBLIC}/services/T0/B0/verysecret"
    chatty = Wanted("Chat", chat, ["balance.low"])
    made, _ = endpoints.create(organization, chatty, actor=owner, kind="slack")
    row = WebhookEndpoint.objects.filter(pk=made.pk).values().get()
    assert "verysec" not in str(row)


# --- SSRF: the corpus by each way that could lead inside ---


@pytest.mark.once  # where an address leads, no database decides
@pytest.mark.parametrize("way", ["direct", "redirect", "rebinding"])
def test_no_address_leads_to_the_canary(
    organization: Organization,
    owner: Actor,
    emit: Emit,
    receiver: Receiver,
    settings: Settings,
    clock: Clock,
    way: str,
) -> None:
    endpoint = create(organization, owner, url=receiver.url)
    with canary() as port:
        for number, pattern in enumerate(HOSTILE):
            hostile = pattern.format(port=port)
            endpoint.refresh_from_db()
            guard, url = rebound(port), receiver.url
            if way == "direct":
                settings.WEBHOOK_TRUSTED_HOSTS, url = [], hostile[:2000]
                guard = reach.guard()
            elif way == "redirect":
                receiver.answer = redirecting(hostile)
                guard = reach.guard()
            else:
                url = f"https://rebinding.example:{port}/"
            WebhookEndpoint.objects.update(
                url=url, failures=0, failing_since=None, not_before=None
            )
            emit("key.created", key=str(number))
            dispatch.dispatch_due()
            clock.advance(seconds=1)
            assert sending.send_due(guard) >= 1
    attempts = DeliveryAttempt.objects.all()
    assert attempts.count() >= len(HOSTILE) >= 60
    if way == "redirect":
        assert {each.status for each in attempts} == {302}
    else:
        assert {each.status for each in attempts} == {None}


def redirecting(url: str) -> Callable[[Came, int], Answer]:
    plain = "".join(each for each in url if each.isascii() and each.isprintable())
    return lambda came, number: (302, {"location": plain[:4000]}, b"")


def rebound(port: int) -> Guard:
    """For which the name that was public when it was saved means the loopback now."""

    async def look_up(host: str, _: int) -> tuple[str, ...]:
        return ("127.0.0.1", "::1")

    return Guard(5, 5, look_up=look_up, ports=frozenset({443, port}))
