"""Limits of rate and allow-lists: who has which, and what is refused to be set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries

from billing import spenders
from billing.models.account import UnitKind
from portal.models import ApiKey, AuditEvent, Organization, Role, Rules, User
from portal.tenants import keys, rules
from portal.tenants.errors import NotAllowed
from portal.tenants.rules import InvalidRules
from tests.support.cast import (
    OPERATOR,
    actor_of,
    make_key,
    make_member,
    make_organization,
    make_user,
)


@pytest.fixture
def key(organization: Organization, alice: User) -> tuple[ApiKey, str]:
    """Of the default project, held by alice."""
    return make_key(organization, alice)


@pytest.fixture
def set_rules(organization: Organization, alice: User) -> Callable[..., Rules]:
    def set_(**given: Any) -> Rules:
        return rules.set_rules(organization, actor=actor_of(alice), **given)

    return set_


@pytest.mark.parametrize("who", ["stranger", *Role.values, "operator"])
def test_who_manages_the_organization_sets_its_rules(
    organization: Organization, who: str
) -> None:
    if who == "operator":
        actor = OPERATOR
    elif who == "stranger":
        actor = actor_of(make_user("stranger@example.com"))
    else:
        actor = actor_of(make_member(organization, f"{who}@example.com", Role(who)))
    if who in ("owner", "admin", "operator"):
        rules.set_rules(organization, actor=actor, requests_per_minute=5)
        assert Rules.objects.get().requests_per_minute == 5
        return
    with pytest.raises(NotAllowed):
        rules.set_rules(organization, actor=actor, requests_per_minute=5)
    assert not Rules.objects.exists()
    assert not AuditEvent.objects.filter(action="rules.set").exists()


def test_a_call_meets_the_rules_of_all_that_stands_above_it(
    key: tuple[ApiKey, str],
    organization: Organization,
    set_rules: Callable[..., Rules],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    row, secret = key
    other = spenders.open_unit(organization.account_id, UnitKind.PROJECT, "other")
    set_rules(requests_per_minute=100)
    set_rules(unit=row.spender.project, tokens_per_minute=90)
    set_rules(unit=row.spender.holder, calls_at_once=8)
    set_rules(key=row, models=["openai/*", "m"], networks=["192.0.2.0/24"])
    set_rules(unit=other, requests_per_minute=1)
    with django_assert_num_queries(2):
        found = keys.verify(secret).rules

    assert [(rule.level, rule.name) for rule in found] == [
        ("key", "laptop"),
        ("member", "alice@example.com"),
        ("project", "Default"),
        ("organization", "acme"),
    ]
    mine, member, project, everybodys = found
    assert (mine.models, mine.networks) == (("openai/*", "m"), ("192.0.2.0/24",))
    assert (mine.operations, mine.requests_per_minute) == ((), None)
    assert member.calls_at_once == 8
    assert project.tokens_per_minute == 90
    assert everybodys.requests_per_minute == 100
    assert everybodys.subject_id == organization.account_id


def test_rules_are_replaced_and_written_down(
    key: tuple[ApiKey, str], set_rules: Callable[..., Rules]
) -> None:
    row, secret = key
    set_rules(key=row, requests_per_minute=5, operations=["chat.completions"])
    set_rules(key=row, tokens_per_minute=7)

    [found] = keys.verify(secret).rules
    assert (found.requests_per_minute, found.tokens_per_minute) == (None, 7)
    assert found.operations == ()
    first, second = AuditEvent.objects.filter(action="rules.set").order_by("pk")
    assert first.detail["after"]["operations"] == "chat.completions"
    assert second.detail["before"]["operations"] == "chat.completions"
    assert second.detail["after"]["tokens_per_minute"] == 7
    set_rules(key=row, tokens_per_minute=7)
    assert AuditEvent.objects.filter(action="rules.set").count() == 2


def test_a_rotated_key_keeps_its_rules(
    key: tuple[ApiKey, str], alice: User, set_rules: Callable[..., Rules]
) -> None:
    row, secret = key
    set_rules(key=row, requests_per_minute=5, models=["m"])
    rotated, new = keys.rotate(row, timedelta(hours=1), actor=actor_of(alice))

    [old_rule], [new_rule] = keys.verify(secret).rules, keys.verify(new).rules
    assert (new_rule.requests_per_minute, new_rule.models) == (5, ("m",))
    assert new_rule.subject_id == old_rule.subject_id == row.spender_id
    assert rotated.spender_id != row.spender_id  # one counter for both


def test_another_organizations_rules_are_not_met(
    key: tuple[ApiKey, str], organization: Organization, set_rules: Callable[..., Rules]
) -> None:
    stranger = make_user("stranger@example.net")
    elsewhere = make_organization("Elsewhere", stranger)
    theirs, secret = make_key(elsewhere, stranger)
    set_rules(requests_per_minute=1)

    assert keys.verify(secret).rules == ()
    with pytest.raises(InvalidRules):
        set_rules(key=theirs, requests_per_minute=1)
    unit = spenders.open_unit(elsewhere.account_id, UnitKind.PROJECT, "theirs")
    with pytest.raises(InvalidRules):
        set_rules(unit=unit, requests_per_minute=1)
    with pytest.raises(InvalidRules):
        set_rules(key=key[0], unit=key[0].spender.project)
    assert Rules.objects.count() == 1


@pytest.mark.parametrize("name", rules.RATES)
@pytest.mark.parametrize("value", [0, -1, True, 1.5, "5", 10**10, float("nan")])
def test_a_rate_is_a_whole_number(
    name: str, value: object, set_rules: Callable[..., Rules]
) -> None:
    with pytest.raises(InvalidRules, match=name):
        set_rules(**{name: value})
    assert not Rules.objects.exists()


@pytest.mark.parametrize(
    "given",
    [
        {"models": "openai/*"},
        {"models": [""]},
        {"models": ["a,b"]},
        {"models": ["a b"]},
        {"models": ["a\nb"]},
        {"models": ["x" * 201]},
        {"models": [5]},
        {"models": None},
        {"models": ["m"] * 101},
        {"operations": ["chat"]},
        {"operations": ["chat.completions,embeddings"]},
        {"networks": ["192.0.2.7/24"]},
        {"networks": ["localhost"]},
        {"networks": ["192.0.2.0/33"]},
        {"networks": ["192.0.2.1,192.0.2.2"]},
    ],
)
def test_a_list_is_of_what_there_is(
    given: dict[str, Any], set_rules: Callable[..., Rules]
) -> None:
    with pytest.raises(InvalidRules):
        set_rules(requests_per_minute=5, **given)
    assert not Rules.objects.exists()


@pytest.mark.parametrize("rate", rules.RATES)
def test_the_database_takes_no_rate_below_one(
    rate: str, organization: Organization
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Rules.objects.create(organization=organization, **{rate: 0})


def test_the_database_takes_one_row_a_subject(
    key: tuple[ApiKey, str], organization: Organization
) -> None:
    row, _ = key
    subjects: list[dict[str, Any]] = [
        {},
        {"api_key": row},
        {"unit": row.spender.project},
    ]
    for subject in subjects:
        Rules.objects.create(organization=organization, **subject)
        with pytest.raises(IntegrityError), transaction.atomic():
            Rules.objects.create(organization=organization, **subject)
    both = {"api_key": row, "unit": row.spender.holder}
    with pytest.raises(IntegrityError), transaction.atomic():
        Rules.objects.create(organization=organization, **both)
