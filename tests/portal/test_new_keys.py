"""A new key has its limits from its first moment, and is not made without them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.budgets import chain_of
from billing.models.budget import Window
from billing.values.orders import CREDIT
from portal.models import ApiKey, AuditEvent, Organization, Role, Rules, User
from portal.tenants import keys, new_keys, projects, service_accounts
from portal.tenants.errors import InvalidBudget, InvalidExpiry, NotAllowed
from portal.tenants.new_keys import Limits
from portal.tenants.rules import InvalidRules, Wanted
from tests.support.cast import OPERATOR, actor_of, make_member


def issue(organization: Organization, user: User, **more: Any) -> tuple[ApiKey, str]:
    project = projects.default_of(organization)
    return new_keys.issue(project, "ci", actor=actor_of(user), **more)


def test_a_developer_limits_their_own_new_key(
    organization: Organization, bob: User
) -> None:
    limits = Limits(
        {Window.DAY: 5 * CREDIT, Window.TOTAL: 50 * CREDIT},
        Wanted(requests_per_minute=7, models=("openai/*",), networks=("192.0.2.0/24",)),
    )
    key, secret = issue(organization, bob, limits=limits)
    links = {link.window: link.limit_micros for link in chain_of(key.spender_id)}
    assert links == {"day": 5 * CREDIT, "total": 50 * CREDIT}
    [level] = keys.verify(secret).rules
    assert (level.requests_per_minute, level.models) == (7, ("openai/*",))
    acts = AuditEvent.objects.filter(organization=organization).order_by("pk")
    assert list(acts.values_list("action", flat=True))[-4:] == [
        "api_key.create",
        "rules.set",
        "budget.set",
        "budget.set",
    ]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"limits": Limits({Window.DAY: 0})}, InvalidBudget),
        ({"limits": Limits(rules=Wanted(models=("a b",)))}, InvalidRules),
        ({"expires_at": timezone.now() - timedelta(days=1)}, InvalidExpiry),
    ],
    ids=["budget", "rules", "expiry"],
)
def test_what_cannot_be_limited_is_not_made(
    organization: Organization, bob: User, wrong: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        issue(organization, bob, **wrong)
    assert not ApiKey.objects.exists()
    assert not Rules.objects.exists()


def test_who_may_not_make_keys_makes_none_with_limits(
    organization: Organization, bob: User
) -> None:
    robot = service_accounts.create(organization, "CI", actor=OPERATOR)
    with pytest.raises(NotAllowed):
        issue(organization, bob, holder=robot)
    viewer = make_member(organization, "v@example.com", Role.VIEWER)
    with pytest.raises(NotAllowed):
        issue(organization, viewer, limits=Limits({Window.DAY: CREDIT}))
