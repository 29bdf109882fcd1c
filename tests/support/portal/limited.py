"""Limits of an organization, and somebody who asks for more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from billing.budgets import Subject
from billing.models.budget import Level, Window
from billing.values.orders import CREDIT
from portal.models import Organization, RaiseRequest, User
from portal.tenants import audit, budgets
from tests.support.cast import OPERATOR, actor_of

Prepared = Callable[[audit.Actor], Any]
Prepare = Callable[[Any], Prepared]

EVERYBODY = Subject(Level.ORGANIZATION)


def tomorrow() -> datetime:
    return timezone.now() + timedelta(days=1)


def make_budget(
    organization: Organization,
    subject: Subject = EVERYBODY,
    credits: int = 100,
    *,
    window: Window = Window.DAY,
    actor: audit.Actor = OPERATOR,
) -> int:
    """Its id."""
    return budgets.set_limit(
        organization,
        subject,
        window,
        credits * CREDIT,
        counts_spend_so_far=True,
        actor=actor,
    ).id


def make_raise_request(organization: Organization, asker: User) -> RaiseRequest:
    """For 5 credits more of a limit that binds everybody."""
    return budgets.ask(
        organization,
        make_budget(organization),
        5 * CREDIT,
        until=tomorrow(),
        reason="launch week",
        actor=actor_of(asker),
    )


def with_budget(operation: Callable[..., Any]) -> Prepare:
    """On a limit of the organization: by `operation(organization, budget, actor)`."""

    def prepare(scene: Any) -> Prepared:
        budget = make_budget(scene.organization)
        return lambda actor: operation(scene.organization, budget, actor)

    return prepare


def with_request(operation: Callable[..., Any]) -> Prepare:
    def prepare(scene: Any) -> Prepared:
        asked = make_raise_request(scene.organization, scene.owner)
        return lambda actor: operation(asked, actor=actor)

    return prepare


# For the policy's table: what may be done, and who may beside owners, admins and the
# operator.
BILLING = {"billing"}
OF_BUDGETS: dict[str, tuple[Prepare, set[str]]] = {
    "set a limit": (
        lambda scene: lambda actor: make_budget(scene.organization, actor=actor),
        BILLING,
    ),
    "remove a limit": (
        with_budget(lambda of, budget, actor: budgets.remove(of, budget, actor=actor)),
        BILLING,
    ),
    "raise a limit": (
        with_budget(
            lambda of, budget, actor: budgets.raise_limit(
                of, budget, 5, until=tomorrow(), reason="launch", actor=actor
            )
        ),
        BILLING,
    ),
    "ask for a raise": (
        with_budget(
            lambda of, budget, actor: budgets.ask(
                of, budget, 5, until=tomorrow(), reason="launch", actor=actor
            )
        ),
        {"developer"},
    ),
    "grant a raise": (with_request(budgets.grant), BILLING),
    "refuse a raise": (with_request(partial(budgets.refuse, reason="no")), BILLING),
}
