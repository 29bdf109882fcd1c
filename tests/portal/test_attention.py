"""What the overview says first: what refuses calls, what soon will, what waits; how
long the credits last; and the steps to a first call, which turn green by themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from billing import amendments, grants, holds
from billing.amendments import Why
from billing.budgets import Subject
from billing.models.budget import Level, Window
from billing.models.grant import GrantSource
from billing.reports.runway import DAYS_MAX, Runway, runway
from billing.values.orders import CREDIT, Doubt, Place
from portal.models import Membership, Organization, Role, User
from portal.pages.usage.overview import words_of
from portal.tenants import budgets
from tests.support.cast import OPERATOR, actor_of, make_call, make_key, make_member
from tests.support.portal import pages

pytestmark = pytest.mark.once


def notes(client: Client, user: User) -> list[str]:
    """The kinds and texts of what needs attention, in order."""
    client.force_login(user)
    items = client.get("/o/acme/").context.get("attention", [])
    return [f"{item.kind}: {item.text}" for item in items]


def limit(organization: Organization, subject: Subject, credits: int) -> Any:
    return budgets.set_limit(
        organization,
        subject,
        Window.MONTH,
        credits * CREDIT,
        counts_spend_so_far=True,
        actor=OPERATOR,
    )


def test_nothing_is_said_when_all_is_well(
    client: Client, alice: User, organization: Organization
) -> None:
    assert notes(client, alice) == []


def test_what_refuses_calls_comes_first_and_what_waits_last(
    client: Client, alice: User, bob: User, organization: Organization
) -> None:
    key, _ = make_key(organization, bob, "bobs key")
    make_key(organization, bob, "ends", expires_at=timezone.now() + timedelta(days=3))
    make_call(key, charged=85)
    holder = Membership.objects.get(user=bob).unit_id
    full = limit(organization, Subject(Level.MEMBER, holder_id=holder), 80)
    limit(organization, Subject(Level.ORGANIZATION), 100)
    budgets.ask(
        organization,
        full.id,
        CREDIT,
        until=timezone.now() + timedelta(days=1),
        reason="a demo",
        actor=actor_of(bob),
    )
    grants.issue(
        organization.account_id,
        5 * CREDIT,
        source=GrantSource.PROMOTION,
        reference="t:promotion",
        expires_at=timezone.now() + timedelta(days=6),
    )
    doubtful = Place(
        uuid4().hex,
        organization.account_id,
        make_key(organization, alice)[0].spender_id,
        2 * CREDIT,
        "chat",
        "m",
        timezone.now() + timedelta(minutes=5),
    )
    holds.commit([doubtful])
    holds.commit([Doubt(doubtful.hold_id, organization.account_id, "lost")])
    found = notes(client, alice)
    assert found[0].startswith("error: The limit of this month is used up (bob@")
    assert "80 credits. It begins anew" in found[0]
    assert found[1:-1] == [
        "warning: 5 credits expire within 7 days.",
        "warning: One call is in doubt, and 2 credits stay held: nobody knows yet "
        "whether the upstream worked.",
        f"warning: A key expires soon: ends on {_day(3)}.",
        "warning: 87 % of the limit of this month is used (all): 100 credits.",
    ]
    assert found[-1].startswith("info: One request for a higher limit waits")
    own = notes(client, bob)
    assert own[0].startswith("error: The limit of this month is used up (bob@")
    assert not [note for note in own if "expire within" in note or "(all)" in note]
    viewer = make_member(organization, "v@example.com", Role.VIEWER)
    assert not [note for note in notes(client, viewer) if "limit" in note]


def _day(days: int) -> str:
    return f"{timezone.now() + timedelta(days=days):%Y-%m-%d}"


def test_debt_and_empty_credits_are_said_and_no_amounts_to_a_developer(
    client: Client, alice: User, bob: User, organization: Organization
) -> None:
    taken = Why("all", "test", "me")
    amendments.debit(organization.account_id, 1000 * CREDIT, taken)
    (first, *_) = notes(client, alice)
    assert first.startswith("error: Calls are refused for lack of credits since 20")
    page = client.get("/o/acme/").content.decode()
    assert '<a href="/o/acme/billing/top-up/">Buy credits.</a>' in page
    client.force_login(bob)
    page = client.get("/o/acme/").content.decode()
    assert "Ask an owner of this organization to buy credits." in page
    assert "Buy credits." not in page
    amendments.clawback(organization.account_id, 7 * CREDIT, Why("r", "test", "me"))
    assert notes(client, alice)[0] == (
        "error: This organization owes 7 credits: its calls are refused."
    )
    assert notes(client, bob)[0] == (
        "error: This organization owes credits: its calls are refused."
    )


def test_the_steps_turn_green_by_themselves(
    client: Client, alice: User, organization: Organization
) -> None:
    client.force_login(alice)
    page = client.get("/o/acme/")
    assert 'hx-get="?part=steps"' in page.content.decode()
    part = client.get("/o/acme/?part=steps")
    assert pages.read(part).text.count("Done") == 1
    again = client.get("/o/acme/?part=steps", headers={"if-none-match": part["ETag"]})
    assert again.status_code == 204
    key, _ = make_key(organization, alice)
    assert pages.read(client.get("/o/acme/?part=steps")).text.count("Done") == 2
    make_call(key)
    assert pages.read(client.get("/o/acme/?part=steps")).text.count("Done") == 3
    assert "Three steps" not in client.get("/o/acme/").content.decode()


@pytest.mark.parametrize(
    ("available", "days", "words"),
    [
        (100, [], ""),
        (0, [10], ""),
        (100, [0, 0, 0], ""),
        (100, [0, 10], "≈ 10 days"),
        (100, [1] * 21 + [10] * 7, "≈ 10–30 days"),
        (100, [10] * 10 + [0] * 3, "≈ 13–more than 365 days"),
        (10**9, [1] * 28, "more than a year"),
    ],
)
def test_the_runway_is_a_range_of_paces(
    available: int, days: list[int], words: str
) -> None:
    assert words_of(runway(available, days)) == words
    assert words_of(Runway(DAYS_MAX, DAYS_MAX)) == "more than a year"


def test_the_largest_are_named_and_lead_to_usage(
    client: Client, alice: User, organization: Organization
) -> None:
    for number in range(7):
        key, _ = make_key(organization, alice, f"key {number}")
        make_call(key, charged=number + 1, model=f"model-{number}")
    client.force_login(alice)
    page = pages.read(client.get("/o/acme/"))
    assert "model-6 7 model-5 6 model-4 5 model-3 4 model-2 3 By key" in page.text
    assert "key 6 7 key 5 6" in page.text
    assert f"/o/acme/usage/?key={key.spender_id}" in page.links()
    assert "alice@example.com 28" in page.text
