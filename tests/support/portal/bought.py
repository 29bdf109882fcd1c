"""Top-ups of an organization, and how they are ordered, for tests of the portal."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import uuid4

from billing.models import TopUp
from billing.payments import automatic
from billing.payments.automatic import Terms
from billing.values.orders import CREDIT
from portal.models import Organization
from portal.operator import topups as decisions
from portal.tenants import auto_topups, topups
from portal.tenants.topups import Order
from tests.support.cast import OPERATOR, actor_of
from tests.support.portal.worlds import Act, Do, World

TERMS = Terms(100 * CREDIT, 1000, 5000)


def make_topup(organization: Organization, **order: Any) -> TopUp:
    """By bank transfer, of 1,000 credits, pending."""
    owner = organization.memberships.filter(role="owner").earliest("pk").user
    asked: dict[str, Any] = {"credits": 1000, "provider": "manual"} | order
    wanted = Order(**asked)
    return topups.buy(organization, wanted, key=uuid4().hex, actor=actor_of(owner))


def make_paid(organization: Organization, **order: Any) -> TopUp:
    """As `make_topup`; its transfer has arrived."""
    made = make_topup(organization, **order)
    paid = f"bank {uuid4().hex}"
    return decisions.approve(made.public_id, payment_ref=paid, actor=OPERATOR)


def set_up(organization: Organization, actor: Any) -> Any:
    text = automatic.consent_text(TERMS)
    return auto_topups.set_up(organization, TERMS, text, actor=actor)


def _bought(world: World) -> Do:
    order = Order(credits=1000, provider="manual")
    return partial(topups.buy, world.organization, order, key="k", actor=world.actor)


def _decided(decision: Any, **more: Any) -> Any:
    def prepare(world: World) -> Do:
        name = make_topup(world.organization).public_id
        return partial(decision, name, actor=OPERATOR, **more)

    return prepare


def _turned_off(world: World) -> Do:
    set_up(world.organization, world.actor)
    return partial(auto_topups.turn_off, world.organization, actor=world.actor)


def _resumed(world: World) -> Do:
    order = set_up(world.organization, world.actor)
    order.paused_for = "declined"
    order.save()
    return partial(auto_topups.resume, world.organization, actor=world.actor)


ACTS_OF_BUYERS: dict[str, Act] = {
    "topups.buy": Act(_bought, ("topup.start",)),
    "topups.approve": Act(
        _decided(decisions.approve, payment_ref="bank 1"), ("topup.paid",)
    ),
    "topups.refuse": Act(_decided(decisions.refuse, reason="no"), ("topup.failed",)),
    "auto_topups.set_up": Act(
        lambda it: partial(set_up, it.organization, it.actor),
        ("auto_topup.set_up",),
        True,
    ),
    "auto_topups.turn_off": Act(_turned_off, ("auto_topup.turn_off",)),
    "auto_topups.resume": Act(_resumed, ("auto_topup.resume",)),
}


def _of_scene(prepare: Any) -> Any:
    """For `test_policy.py`, whose operations are given their actor."""

    def prepared(scene: Any) -> Any:
        return prepare(scene.organization, scene)

    return prepared


def _order(organization: Organization, _: Any) -> Any:
    order = Order(credits=1000, provider="manual")
    return lambda actor: topups.buy(organization, order, key="k", actor=actor)


def _decide(decision: Any, **more: Any) -> Any:
    def prepare(organization: Organization, _: Any) -> Any:
        name = make_topup(organization).public_id
        return lambda actor: decision(name, actor=actor, **more)

    return prepare


def _stop(organization: Organization, scene: Any) -> Any:
    set_up(organization, actor_of(scene.owner))
    return lambda actor: auto_topups.turn_off(organization, actor=actor)


def _go_on(organization: Organization, scene: Any) -> Any:
    order = set_up(organization, actor_of(scene.owner))
    order.paused_for = "declined"
    order.save()
    return lambda actor: auto_topups.resume(organization, actor=actor)


def _agree(organization: Organization, _: Any) -> Any:
    return lambda actor: set_up(organization, actor)


BUYERS = {"owner", "billing", "operator"}
OF_BUYERS = {
    "buy credits": (_of_scene(_order), BUYERS),
    "approve a transfer": (
        _of_scene(_decide(decisions.approve, payment_ref="b")),
        {"operator"},
    ),
    "refuse a transfer": (
        _of_scene(_decide(decisions.refuse, reason="no")),
        {"operator"},
    ),
    "agree to automatic top-ups": (_of_scene(_agree), BUYERS),
    "turn automatic top-ups off": (_of_scene(_stop), BUYERS),
    "resume automatic top-ups": (_of_scene(_go_on), BUYERS),
}
