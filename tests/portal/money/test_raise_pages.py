"""More of a limit: granted, asked for, answered; never one's own.

Costs about 3 s of CPU on SQLite.
"""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from billing.budgets import Subject, chain_of, of_account
from billing.models import Budget
from billing.models.budget import Level
from billing.values.orders import CREDIT
from portal.models import (
    ApiKey,
    Organization,
    RaiseRequest,
    RequestState,
    User,
)
from tests.support.portal import pages
from tests.support.portal.limit_pages import (
    limits,
    signed_in,
    terms,
    tomorrow,
    unit_of,
    url,
)
from tests.support.portal.limited import make_budget, make_raise_request

pytestmark = pytest.mark.once


def test_a_raise_is_made_once_and_taken_back(
    as_alice: Client, organization: Organization
) -> None:
    budget_id = make_budget(organization)
    form = {"credits": "20", "until": tomorrow(), "reason": "launch", "ticket": "one"}
    for _ in range(2):
        as_alice.post(url("budget-raise", budget_id), form)
    [link] = of_account(organization.account_id)
    assert link.raised_micros == 20 * CREDIT
    [lasting] = Budget.objects.get(id=budget_id).raises.all()
    page = pages.read(as_alice.get(url("budget", budget_id)))
    assert "+20" in page.text
    for _ in range(2):
        as_alice.post(url("budget-raise-end", lasting.id))
    assert of_account(organization.account_id)[0].raised_micros == 0
    late = form | {"until": "2020-01-01T00:00", "ticket": "two"}
    assert (
        "That is over"
        in pages.read(as_alice.post(url("budget-raise", budget_id), late)).text
    )


def test_a_member_asks_and_another_grants_with_one_click(
    as_alice: Client, organization: Organization, bob: User, bobs_key: ApiKey
) -> None:
    budget_id = make_budget(
        organization, Subject(Level.KEY, spender_id=bobs_key.spender_id)
    )
    as_bob = signed_in(bob)
    # From the link of the call that was refused.
    link = as_bob.get(reverse("budget-link", args=[budget_id]))
    assert link.headers["Location"] == url("budget", budget_id)
    assert "Ask for more" in pages.read(as_bob.get(url("budget", budget_id))).text
    form = {"credits": "9", "until": tomorrow(), "reason": "<b>launch", "ticket": "t"}
    assert as_bob.post(url("budget-raise", budget_id), form).status_code == 404
    as_bob.post(url("budget-ask", budget_id), form)
    asked = RaiseRequest.objects.get()
    assert "waits" in pages.read(as_bob.get(url("budgets"))).text
    assert as_bob.post(url("raise-request-grant", asked.pk)).status_code == 404

    page = pages.read(as_alice.get(url("budgets")))
    assert "bob@example.com asks for 9 credits more" in page.text
    assert "<b>launch" in page.text
    for _ in range(2):
        as_alice.post(url("raise-request-grant", asked.pk))
    asked.refresh_from_db()
    assert asked.state == RequestState.GRANTED
    assert chain_of(bobs_key.spender_id)[0].raised_micros == 9 * CREDIT


def test_a_refusal_has_a_reason_that_the_asker_reads(
    as_alice: Client, organization: Organization, bob: User
) -> None:
    asked = make_raise_request(organization, bob)
    as_alice.post(url("raise-request-refuse", asked.pk), {"reason": " "})
    asked.refresh_from_db()
    assert asked.state == RequestState.PENDING
    as_alice.post(url("raise-request-refuse", asked.pk), {"reason": "next month"})
    assert "next month" in pages.read(signed_in(bob).get(url("budgets"))).text


def test_nobody_answers_their_own_request(
    as_alice: Client, organization: Organization, alice: User
) -> None:
    asked = make_raise_request(organization, alice)
    page = pages.read(as_alice.get(url("budgets")))
    assert "somebody else answers it" in page.text
    as_alice.post(url("raise-request-grant", asked.pk))
    asked.refresh_from_db()
    assert asked.state == RequestState.PENDING


def test_ones_own_limit_is_neither_raised_nor_removed(
    as_alice: Client, organization: Organization, alice: User
) -> None:
    budget_id = make_budget(
        organization, Subject(Level.MEMBER, holder_id=unit_of(organization, alice))
    )
    text = pages.read(as_alice.get(url("budget", budget_id))).text
    assert "Nobody raises their own limit" in text
    assert "Remove this limit" not in text
    as_alice.post(url("budget-remove", budget_id))
    form = terms(level="member", holder=unit_of(organization, alice), credits="900")
    as_alice.post(url("budget-create"), form | {"confirmed": "yes"})
    assert limits(organization) == [("member", "day", 100)]


def test_developers_see_what_binds_them_and_nothing_else(
    organization: Organization, alice: User, bob: User, bobs_key: ApiKey
) -> None:
    project = organization.projects.get().unit_id
    own = [
        make_budget(organization),
        make_budget(organization, Subject(Level.PROJECT, project)),
        make_budget(
            organization, Subject(Level.MEMBER, holder_id=unit_of(organization, bob))
        ),
        make_budget(organization, Subject(Level.KEY, spender_id=bobs_key.spender_id)),
    ]
    others = [
        make_budget(
            organization, Subject(Level.MEMBER, holder_id=unit_of(organization, alice))
        )
    ]
    as_bob = signed_in(bob)
    page = pages.read(as_bob.get(url("budgets")))
    assert {url("budget", each) for each in own} <= set(page.links())
    for each in others:
        assert url("budget", each) not in page.links()
        assert as_bob.get(url("budget", each)).status_code == 404
        form = {"credits": "9", "until": tomorrow(), "reason": "x", "ticket": "t"}
        assert as_bob.post(url("budget-ask", each), form).status_code == 404
    assert not RaiseRequest.objects.exists()
    assert as_bob.get(url("budget-create")).status_code == 404
    assert "What was done" not in page.text
