"""The pages of webhooks and alerts: what they do, and what is wrong is at its field."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.models import (
    AlertSetting,
    DeliveryState,
    EndpointKind,
    Organization,
    User,
    WebhookEndpoint,
)
from portal.notices import dispatch, sending
from portal.notices.alerts import KINDS
from tests.portal.notices.conftest import Emit
from tests.support.portal.hostile import HOSTILE
from tests.support.portal.receiver import Receiver


@pytest.fixture
def browser(organization: Organization, alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def text(browser: Client, url: str) -> str:
    answer = browser.get(url)
    assert answer.status_code == 200, url
    return answer.content.decode()


def test_a_webhook_from_its_making_to_its_end(
    browser: Client, organization: Organization, receiver: Receiver, emit: Emit
) -> None:
    form = {
        "name": "CI",
        "url": receiver.url,
        "event_types": ["key.created"],
        "ticket": "one",
    }
    made = browser.post("/o/acme/webhooks/new", form).content.decode()
    endpoint = organization.webhook_endpoints.get()
    assert "whsec_" in made
    page = f"/o/acme/webhooks/{endpoint.pk}/"
    assert "whsec_…" in text(browser, page)
    again = browser.post("/o/acme/webhooks/new", form)  # a reload
    assert again.status_code == 302
    assert organization.webhook_endpoints.count() == 1

    browser.post(f"{page}change", {"act": "test"})
    assert [came.path for came in receiver.came] == ["/hook"]
    assert "The test was taken: 200" in text(browser, page)

    receiver.answer = lambda came, number: (404, {}, b"no such hook <b>")
    event = emit("key.created")
    dispatch.dispatch_due()
    sending.send_due()
    delivery = endpoint.deliveries.get()
    seen = text(browser, f"{page}deliveries/{delivery.pk}/")
    assert event.public_id in seen
    assert "no such hook &lt;b&gt;" in seen
    assert delivery.state == DeliveryState.PENDING
    endpoint.deliveries.update(state=DeliveryState.FAILED)
    browser.post(f"{page}deliveries/{delivery.pk}/replay")
    delivery.refresh_from_db()
    assert (delivery.state, delivery.replays, delivery.tries) == ("pending", 1, 0)
    sending.send_due()
    assert [came.id for came in receiver.came[1:]] == [event.public_id] * 2

    rotated = browser.post(f"{page}rotate", {"keeps_old": "on", "ticket": "two"})
    assert "whsec_" in rotated.content.decode()
    for act, state in (("disable", "disabled by hand"), ("enable", "active")):
        browser.post(f"{page}change", {"act": act})
        assert state in text(browser, "/o/acme/webhooks/").lower()
    edited = {"name": "Build", "url": receiver.url, "event_types": ["key.revoked"]}
    assert browser.post(f"{page}edit", edited).status_code == 302
    assert "Build" in text(browser, "/o/acme/webhooks/")
    browser.post(f"{page}change", {"act": "delete"})
    assert browser.get(page).status_code == 404


@pytest.mark.once  # it is never stored
def test_a_bad_address_is_an_error_of_its_field(
    browser: Client, organization: Organization
) -> None:
    for number, url in enumerate(HOSTILE):
        form = {
            "name": "n",
            "url": url.format(port=1),
            "event_types": ["key.created"],
            "ticket": str(number),
        }
        answer = browser.post("/o/acme/webhooks/new", form)
        assert answer.status_code == 200
        assert answer.context["form"].errors.get("url"), url
    assert not organization.webhook_endpoints.exists()


def test_alerts_are_set_and_a_test_is_mailed(
    browser: Client, organization: Organization
) -> None:
    shown = text(browser, "/o/acme/alerts/")
    assert shown.count("checked") == len(KINDS)
    form = {kind.name: "on" for kind in KINDS if kind.name != "spike"}
    form |= {"low_micros": "250.5", "low_days": "3"}
    assert browser.post("/o/acme/alerts/", form).status_code == 302
    assert not AlertSetting.objects.get(kind="spike").is_on
    balance = AlertSetting.objects.get(kind="balance")
    assert (balance.low_micros, balance.low_days) == (250_500_000, 3)
    for field, value in (("low_micros", "-1"), ("low_days", "366"), ("low_days", "x")):
        answer = browser.post("/o/acme/alerts/", {**form, field: value})
        assert answer.context["form"].errors[field]
    browser.post("/o/acme/alerts/test")
    assert "is on its way to alice@example.com" in text(browser, "/o/acme/alerts/")


@pytest.mark.parametrize("kind", [EndpointKind.SLACK, EndpointKind.TEAMS])
def test_a_chat_is_told_and_its_address_is_not(
    browser: Client,
    organization: Organization,
    receiver: Receiver,
    emit: Emit,
    kind: EndpointKind,
) -> None:
    form = {
        "kind": kind.value,
        "name": "Team",
        "url": f"{receiver.url}/verysecret",
        "kinds": ["balance"],
        "ticket": kind.value,
    }
    assert browser.post("/o/acme/alerts/chats/new", form).status_code == 302
    chat = WebhookEndpoint.objects.get(organization=organization)
    page = text(browser, "/o/acme/alerts/")
    assert "Team" in page
    assert "verysecret" not in page
    emit("balance.low", available_micros=5_000_000, runway_days=2)
    emit("spend.spike")
    dispatch.dispatch_due()
    sending.send_due()
    [came] = receiver.came
    assert came.path == "/hook/verysecret"
    assert "5 credits are available" in came.body.decode()
    assert "webhook-signature" not in came.headers
    told = b'"AdaptiveCard"' if kind == EndpointKind.TEAMS else b'{"text": "Acme: '
    assert told in came.body
    change = f"/o/acme/alerts/chats/{chat.pk}/change"
    browser.post(change, {"act": "test"})
    assert b"This is a test" in receiver.came[-1].body
    browser.post(change, {"act": "delete"})
    assert browser.post(change, {"act": "test"}).status_code == 404
