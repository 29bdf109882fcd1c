"""`/v1/webhook_endpoints` by the SDK that has it, with the ordinary key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import OpenAI

from portal.models import AuditEvent, Role, WebhookEndpoint
from portal.tenants import keys, projects, service_accounts
from tests.support.cast import OPERATOR, actor_of, make_member
from tests.support.gateway.customers import Customer
from tests.support.portal.hostile import HOSTILE
from tests.support.portal.receiver import Receiver
from tests.support.services.fixtures import GatewayFactory
from tests.support.services.gateway import Gateway

PUBLIC = "https://93.184.215.14/hook"


def sdk(gateway: Gateway, key: str) -> OpenAI:
    return OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)


def test_the_sdk_manages_endpoints(gateway: GatewayFactory, customer: Customer) -> None:
    with Receiver() as receiver:
        started = gateway(WEBHOOK_TRUSTED_HOSTS=receiver.host)
        client = sdk(started, customer.secret)
        types = ["video.completed", "video.failed"]
        made = client.webhooks.create(name="CI", url=receiver.url, event_types=types)  # type: ignore[arg-type]
        assert made.object == "webhook_endpoint"
        assert made.event_types == types
        assert made.signing_secret.startswith("whsec_")
        assert made.signing_secret_hint == f"whsec_…{made.signing_secret[-4:]}"
        assert client.webhooks.retrieve(made.id).name == "CI"
        other = client.webhooks.create(name="2", url=PUBLIC, event_types=types)  # type: ignore[arg-type]
        assert {each.id for each in client.webhooks.list(limit=1)} == {
            made.id,
            other.id,
        }

        tested = client.webhooks.test(made.id, event_type="video.completed")
        assert (tested.status_code, tested.success) == (200, True)
        [came] = receiver.came
        unwrapped = client.webhooks.unwrap(
            came.body, came.headers, secret=made.signing_secret
        )
        assert str(unwrapped.type) == "video.completed"

        changed = client.webhooks.update(made.id, name="Jobs")
        assert (changed.name, changed.url) == ("Jobs", receiver.url)
        turned = client.webhooks.rotate_secret(
            made.id, keep_old_secret_active_for_24_hours=True
        )
        assert turned.signing_secret != made.signing_secret
        client.webhooks.test(made.id, event_type="video.failed")
        for secret in (made.signing_secret, turned.signing_secret):
            came = receiver.came[-1]
            client.webhooks.unwrap(came.body, came.headers, secret=secret)
        assert "video.completed" in client.webhooks.event_types.list().data
        gone = client.webhooks.delete(made.id)
        assert gone.deleted
        with pytest.raises(openai.NotFoundError):
            client.webhooks.retrieve(made.id)
    told = AuditEvent.objects.filter(
        organization=customer.organization, action__startswith="webhook."
    )
    assert {each.actor_label.partition(" ")[2][:6] for each in told} == {"by key"}


def test_what_makes_no_sense_names_its_field(
    live_gateway: Gateway, customer: Customer
) -> None:
    http = customer.http(live_gateway)
    good: dict[str, Any] = {"name": "n", "url": PUBLIC, "event_types": ["key.created"]}
    bad = [({**good, "url": url.format(port=1)}, "url") for url in HOSTILE]
    bad += [
        ({**good, "name": 1}, "name"),
        ({**good, "url": ["x"]}, "url"),
        ({**good, "event_types": "key.created"}, "event_types"),
        ({**good, "event_types": [None]}, "event_types"),
        ({**good, "event_types": ["none"]}, "event_types"),
        ({**good, "more": 1}, "more"),
        ({"url": PUBLIC}, "name"),
    ]
    for body, field in bad:
        answer = http.post("/webhook_endpoints", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)
    assert not WebhookEndpoint.objects.filter(
        organization=customer.organization
    ).exists()


def test_rights_are_the_holders(
    live_gateway: Gateway, customer: Customer, customers: Callable[[], Customer]
) -> None:
    organization = customer.organization
    made = sdk(live_gateway, customer.secret).webhooks.create(
        name="n",
        url=PUBLIC,
        event_types=["video.failed"],
    )
    developer = make_member(organization, f"dev-{made.id}@example.com", Role.DEVELOPER)
    project = projects.default_of(organization)
    _, of_developer = keys.issue(project, "dev", actor=actor_of(developer))
    robot = service_accounts.create(organization, "CI", actor=OPERATOR)
    _, of_robot = keys.issue(project, "robot", actor=OPERATOR, holder=robot)
    for secret in (of_developer, of_robot):
        client = sdk(live_gateway, secret)
        with pytest.raises(openai.PermissionDeniedError):
            client.webhooks.list()
        with pytest.raises(openai.PermissionDeniedError):
            client.webhooks.delete(made.id)
    stranger = sdk(live_gateway, customers().secret)
    assert list(stranger.webhooks.list()) == []
    for act in (stranger.webhooks.retrieve, stranger.webhooks.delete):
        with pytest.raises(openai.NotFoundError):
            act(made.id)
