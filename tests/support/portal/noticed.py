"""What there is to do with endpoints, for the tables of policy and of the audit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

from billing.models import Event
from billing.values import clock
from portal.models import (
    Delivery,
    DeliveryAttempt,
    EndpointKind,
    Organization,
    WebhookEndpoint,
)
from portal.notices import alerts, by_hand, endpoints
from portal.notices.endpoints import Wanted
from portal.outbound import Guard
from tests.support.cast import OPERATOR
from tests.support.portal.worlds import Act, Do, World, with_it

ADDRESS = "https://93.184.215.14/hook"
WANTED = Wanted("Hook", ADDRESS, ["key.created"])
CHAT = Wanted("Chat", ADDRESS, ["balance.low"])


async def nowhere(host: str, port: int) -> tuple[str, ...]:
    return ()


CLOSED = Guard(1, 1, look_up=nowhere)


def make_endpoint(
    organization: Organization, wanted: Wanted = WANTED, kind: str = "webhook"
) -> WebhookEndpoint:
    return endpoints.create(organization, wanted, actor=OPERATOR, kind=kind)[0]


def make_delivery(
    organization: Organization, endpoint: WebhookEndpoint, **values: Any
) -> Delivery:
    now = clock.now()
    event = Event.objects.create(
        uid=uuid4(),
        account=organization.account,
        type="key.created",
        key=uuid4().hex,
        data={"object": "key", "name": "CI"},
        created_at=now,
        dispatched_at=now,
    )
    made = {"created_at": now, "next_at": now, "state": "delivered", **values}
    return Delivery.objects.create(event=event, endpoint=endpoint, **made)


def on(operation: Callable[..., Any], *more: Any, **named: Any) -> Any:
    def prepare(scene: Any) -> Callable[[Any], Any]:
        endpoint = make_endpoint(scene.organization)
        return lambda actor: operation(endpoint, *more, **named, actor=actor)

    return prepare


def creating(wanted: Wanted, kind: str) -> Any:
    def prepare(scene: Any) -> Callable[[Any], Any]:
        make = partial(endpoints.create, scene.organization, wanted, kind=kind)
        return lambda actor: make(actor=actor)

    return prepare


def replayed(scene: Any) -> Any:
    delivery = make_delivery(scene.organization, make_endpoint(scene.organization))
    return lambda actor: by_hand.replay(delivery, actor=actor)


MANAGERS = ("owner", "admin", "operator")
RENAMED = Wanted(name="Other")
OFF = alerts.Setting(is_on=False)
OF_NOTICES = {
    "make a webhook": (creating(WANTED, EndpointKind.WEBHOOK), MANAGERS),
    "make a chat": (creating(CHAT, EndpointKind.SLACK), (*MANAGERS, "billing")),
    "change a webhook": (on(endpoints.change, RENAMED), MANAGERS),
    "delete a webhook": (on(endpoints.delete), MANAGERS),
    "disable a webhook": (on(endpoints.disable), MANAGERS),
    "rotate a webhook": (on(endpoints.rotate_secret, keeps_old=True), MANAGERS),
    "test a webhook": (on(by_hand.send_test, guard=CLOSED), MANAGERS),
    "change an alert": (
        lambda scene: (
            lambda actor: alerts.change(scene.organization, "spike", OFF, actor=actor)
        ),
        (*MANAGERS, "billing"),
    ),
    "replay a delivery": (replayed, MANAGERS),
}


def hook(world: World) -> WebhookEndpoint:
    return make_endpoint(world.organization)


def disabled(world: World) -> Do:
    endpoint = hook(world)
    endpoints.disable(endpoint, actor=OPERATOR)
    return lambda: endpoints.enable(endpoint, actor=world.actor)


def created(world: World) -> Do:
    make = partial(endpoints.create, world.organization, WANTED, kind="webhook")
    return lambda: make(actor=world.actor)


def changed(world: World) -> Do:
    change = partial(alerts.change, world.organization, "spike", OFF)
    return lambda: change(actor=world.actor)


def mailed(world: World) -> Do:
    return lambda: by_hand.mail_test(world.organization, actor=world.actor)


def replayed_once(world: World) -> Do:
    delivery = make_delivery(world.organization, hook(world))
    return lambda: by_hand.replay(delivery, actor=world.actor)


ACTS_OF_NOTICES: dict[str, Act] = {
    "endpoints.create": Act(created, ("webhook.create",), True),
    "endpoints.change": Act(
        with_it(hook, endpoints.change, RENAMED), ("webhook.change",)
    ),
    "endpoints.delete": Act(with_it(hook, endpoints.delete), ("webhook.delete",)),
    "endpoints.rotate_secret": Act(
        with_it(hook, endpoints.rotate_secret, keeps_old=True),
        ("webhook.rotate",),
        True,
    ),
    "endpoints.disable": Act(with_it(hook, endpoints.disable), ("webhook.disable",)),
    "endpoints.enable": Act(disabled, ("webhook.enable",)),
    "alerts.change": Act(changed, ("alert.change",)),
    "by_hand.mail_test": Act(mailed, ("alert.test",), True),
    "by_hand.prepare_test": Act(
        with_it(hook, by_hand.prepare_test), ("webhook.test",), True
    ),
    "by_hand.replay": Act(replayed_once, ("webhook.replay",)),
    "by_hand.send_test": Act(
        with_it(hook, by_hand.send_test, guard=CLOSED), ("webhook.test",), True
    ),
}


def give_endpoints(organization: Organization, name: str) -> dict[str, object]:
    """A webhook with a delivery, and a chat, by the kinds of arguments in URLs."""
    hook = make_endpoint(organization, Wanted(name, ADDRESS, ["key.created"]))
    told = Wanted(name, ADDRESS, ["balance.low"])
    chat = make_endpoint(organization, told, kind=EndpointKind.SLACK)
    delivery = make_delivery(organization, hook)
    DeliveryAttempt.objects.create(
        delivery=delivery, at=clock.now(), status=200, duration_ms=3, excerpt=name
    )
    return {"webhook": hook.pk, "delivery": delivery.pk, "chat": chat.pk}
