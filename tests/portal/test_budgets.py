"""Limits of an organization: who sets and raises them, who asks and who grants."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from billing.budgets import Subject, chain_of, of_account
from billing.models import Account, BudgetRaise
from billing.models.budget import Level, Window
from billing.values.orders import CREDIT
from portal.models import ApiKey, AuditEvent, Organization, RaiseRequest, Role, User
from portal.tenants import budgets, organizations
from portal.tenants.errors import (
    AlreadyAsked,
    AlreadyDecided,
    InvalidBudget,
    NoSuchBudget,
    NotAllowed,
    OwnLimit,
)
from tests.support.cast import OPERATOR, actor_of, make_key, make_member
from tests.support.portal.limited import make_budget, make_raise_request, tomorrow


def of_member(organization: Organization, user: User) -> Subject:
    unit = organization.memberships.get(user=user).unit_id
    return Subject(Level.MEMBER, holder_id=unit)


def own_subject(
    organization: Organization, user: User, key: ApiKey, level: Level
) -> Subject:
    holder = organization.memberships.get(user=user).unit_id
    project = organization.projects.get().unit_id
    return {
        Level.MEMBER: Subject(level, holder_id=holder),
        Level.MEMBER_IN_PROJECT: Subject(level, project, holder),
        Level.KEY: Subject(level, spender_id=key.spender_id),
    }[level]


def time_zone_of(organization: Organization) -> str:
    return Account.objects.get(id=organization.account_id).time_zone


def actions() -> list[str]:
    found = AuditEvent.objects.filter(action__contains="budget").values_list("action")
    return [action for (action,) in found.order_by("id")]


def test_a_limit_is_set_raised_and_removed_with_its_trail(
    organization: Organization, alice: User, bob: User
) -> None:
    key, _ = make_key(organization, bob)
    budget_id = make_budget(
        organization, of_member(organization, bob), actor=actor_of(alice)
    )
    [link] = chain_of(key.spender_id)
    assert (link.level, link.label) == ("member", "bob@example.com")
    made = budgets.raise_limit(
        organization,
        budget_id,
        20 * CREDIT,
        until=tomorrow(),
        reason="launch",
        actor=actor_of(alice),
    )
    assert chain_of(key.spender_id)[0].limit_micros == 120 * CREDIT
    budgets.end_raise(organization, made.id, actor=actor_of(alice))
    assert chain_of(key.spender_id)[0].limit_micros == 100 * CREDIT
    budgets.remove(organization, budget_id, actor=actor_of(alice))
    assert chain_of(key.spender_id) == []
    assert actions() == [
        *("budget.set", "budget.raise", "budget.raise_end", "budget.remove"),
    ]
    event = AuditEvent.objects.get(action="budget.raise")
    assert (event.actor, event.detail["reason"]) == (alice, "launch")
    assert event.detail["credits"] == "20"


@pytest.mark.parametrize("level", [Level.MEMBER, Level.MEMBER_IN_PROJECT, Level.KEY])
def test_nobody_raises_or_removes_their_own_limit(
    organization: Organization, alice: User, level: Level
) -> None:
    key, _ = make_key(organization, alice)
    subject = own_subject(organization, alice, key, level)
    budget_id = make_budget(organization, subject)
    before = of_account(organization.account_id)

    def again(credits: int, *, counts: bool) -> Any:
        return budgets.set_limit(
            organization,
            subject,
            Window.DAY,
            credits * CREDIT,
            counts_spend_so_far=counts,
            actor=actor_of(alice),
        )

    for change in (
        lambda: again(101, counts=True),
        lambda: again(100, counts=False),
        lambda: budgets.remove(organization, budget_id, actor=actor_of(alice)),
        lambda: budgets.raise_limit(
            organization,
            budget_id,
            1,
            until=tomorrow(),
            reason="me",
            actor=actor_of(alice),
        ),
    ):
        with pytest.raises(OwnLimit):
            change()
        assert of_account(organization.account_id) == before
    again(50, counts=True)  # a lower one is anybody's own business
    other = make_member(organization, "carol@example.com", Role.ADMIN)
    budgets.raise_limit(
        organization,
        budget_id,
        1,
        until=tomorrow(),
        reason="yes",
        actor=actor_of(other),
    )


@pytest.mark.parametrize("level", [Level.MEMBER, Level.MEMBER_IN_PROJECT, Level.KEY])
def test_nobody_says_when_their_own_limits_day_begins(
    organization: Organization, alice: User, level: Level
) -> None:
    key, _ = make_key(organization, alice)
    other = make_member(organization, "carol@example.com", Role.ADMIN)
    subject = own_subject(organization, alice, key, level)
    actor = actor_of(alice)
    make_budget(organization, subject, window=Window.TOTAL)
    organizations.change(
        organization, time_zone="Asia/Tokyo", actor=actor
    )  # it has no days
    budget_id = make_budget(organization, subject)
    with pytest.raises(OwnLimit):
        organizations.change(organization, time_zone="Asia/Kolkata", actor=actor)
    organizations.change(organization, time_zone="Asia/Dubai", actor=actor_of(other))
    assert of_account(organization.account_id)[0].budget_id != budget_id
    assert time_zone_of(organization) == "Asia/Dubai"


def test_a_member_asks_and_another_grants(
    organization: Organization, alice: User, bob: User
) -> None:
    asked = make_raise_request(organization, bob)
    with pytest.raises(NotAllowed):
        budgets.grant(asked, actor=actor_of(bob))
    granted = budgets.grant(asked, actor=actor_of(alice))
    asked.refresh_from_db()
    assert (asked.state, asked.decided_by, asked.granted) == ("granted", alice, granted)
    assert (granted.micros, granted.ends_at) == (asked.micros, asked.until)
    for decide in (
        lambda: budgets.grant(asked, actor=actor_of(alice)),
        lambda: budgets.refuse(asked, reason="no", actor=actor_of(alice)),
    ):
        with pytest.raises(AlreadyDecided):
            decide()
    assert BudgetRaise.objects.count() == 1
    events = AuditEvent.objects.filter(action__startswith="raise_request").order_by(
        "id"
    )
    assert [each.action for each in events] == [
        *("raise_request.create", "raise_request.granted"),
    ]


def test_a_refusal_has_a_reason(
    organization: Organization, alice: User, bob: User
) -> None:
    asked = make_raise_request(organization, bob)
    with pytest.raises(InvalidBudget):
        budgets.refuse(asked, reason=" ", actor=actor_of(alice))
    budgets.refuse(asked, reason="not this month", actor=actor_of(alice))
    asked.refresh_from_db()
    assert (asked.state, asked.answer) == ("refused", "not this month")
    assert not BudgetRaise.objects.exists()


def test_whoever_asked_does_not_grant_it(
    organization: Organization, alice: User
) -> None:
    asked = make_raise_request(organization, alice)
    with pytest.raises(OwnLimit):
        budgets.grant(asked, actor=actor_of(alice))
    budgets.grant(asked, actor=OPERATOR)


def test_one_asks_once_at_a_time(organization: Organization, bob: User) -> None:
    asked = make_raise_request(organization, bob)
    with pytest.raises(AlreadyAsked):
        make_raise_request(organization, bob)
    budgets.refuse(asked, reason="no", actor=OPERATOR)
    make_raise_request(organization, bob)


def test_what_was_asked_of_a_limit_is_granted_of_the_one_that_follows(
    organization: Organization, bob: User
) -> None:
    asked = make_raise_request(organization, bob)
    budget = budgets.set_limit(
        organization,
        Subject(Level.ORGANIZATION),
        Window.DAY,
        CREDIT,
        counts_spend_so_far=False,
        actor=OPERATOR,
    )
    assert budgets.grant(asked, actor=OPERATOR).budget == budget
    later = make_raise_request(organization, bob)
    budgets.remove(organization, later.budget_id, actor=OPERATOR)
    with pytest.raises(NoSuchBudget):
        budgets.grant(later, actor=OPERATOR)


def test_anothers_limit_does_not_exist(
    organization: Organization, mallory: User
) -> None:
    budget_id = make_budget(organization)
    theirs = Organization.objects.get(name="Elsewhere")
    until, actor = tomorrow(), actor_of(mallory)
    for change in (
        lambda: budgets.remove(theirs, budget_id, actor=actor),
        lambda: budgets.raise_limit(
            theirs, budget_id, 1, until=until, reason="x", actor=actor
        ),
        lambda: budgets.ask(theirs, budget_id, 1, until=until, reason="x", actor=actor),
        lambda: budgets.end_raise(theirs, budget_id, actor=actor),
    ):
        with pytest.raises(NoSuchBudget):
            change()
    with pytest.raises(InvalidBudget):
        make_budget(
            theirs, of_member(organization, organization.memberships.get().user)
        )


@pytest.mark.parametrize("micros", [0, -1, 1.5, True, "5", 10**15 + 1])
def test_senseless_amounts_are_refused(
    organization: Organization, bob: User, micros: Any
) -> None:
    budget_id, until = make_budget(organization), tomorrow()
    for change in (
        lambda: budgets.ask(
            organization,
            budget_id,
            micros,
            until=until,
            reason="x",
            actor=actor_of(bob),
        ),
        lambda: budgets.raise_limit(
            organization,
            budget_id,
            micros,
            until=tomorrow(),
            reason="x",
            actor=OPERATOR,
        ),
    ):
        with pytest.raises(InvalidBudget):
            change()
    past = timezone.now() - timedelta(seconds=1)
    with pytest.raises(InvalidBudget):
        budgets.ask(
            organization, budget_id, 5, until=past, reason="x", actor=actor_of(bob)
        )
    assert not RaiseRequest.objects.exists()


@pytest.mark.parametrize(
    "change", [{"micros": 0}, {"state": "granted"}, {"state": "lost"}]
)
def test_the_database_refuses_it_too(
    organization: Organization, bob: User, change: dict[str, Any]
) -> None:
    asked = make_raise_request(organization, bob)
    with pytest.raises(IntegrityError), transaction.atomic():
        RaiseRequest.objects.filter(pk=asked.pk).update(**change)
