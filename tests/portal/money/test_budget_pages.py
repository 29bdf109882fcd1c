"""The pages of limits: who sees which, how one is set and changed.

Costs about 4 s of CPU on SQLite.
"""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from billing.budgets import Subject, chain_of
from billing.models import Budget
from billing.models.budget import Level, Window
from billing.values.orders import CREDIT
from portal.models import (
    ApiKey,
    AuditEvent,
    Organization,
    Role,
    User,
)
from portal.tenants import budgets
from tests.support.cast import OPERATOR, actor_of, make_call, make_member
from tests.support.portal import pages
from tests.support.portal.limit_pages import (
    limits,
    signed_in,
    terms,
    unit_of,
    url,
)
from tests.support.portal.limited import make_budget, make_raise_request

pytestmark = pytest.mark.once


def test_before_a_limit_is_saved_the_past_is_replayed(
    as_alice: Client, organization: Organization, bobs_key: ApiKey
) -> None:
    make_call(bobs_key, charged=3)
    make_call(bobs_key, charged=3)
    page = pages.read(as_alice.post(url("budget-create"), terms()))
    assert "would have refused 2 calls of 1 key" in page.text
    assert "openai/gpt-4o" in page.text
    assert not pages.misplaced(page)
    assert limits(organization) == []

    roomy = as_alice.post(url("budget-create"), terms(credits="5,000"))
    assert "would never have bound" in pages.read(roomy).text
    assert "spent 6 of 5,000" in pages.read(roomy).text
    answer = as_alice.post(url("budget-create"), terms(credits="7", confirmed="yes"))
    [budget] = Budget.objects.all()
    assert answer.headers["Location"] == url("budget", budget.id)
    assert limits(organization) == [("organization", "day", 7)]
    assert chain_of(bobs_key.spender_id)[0].used_micros == 6 * CREDIT
    event = AuditEvent.objects.get(action="budget.set")
    assert event.detail["limit_credits"] == "7"


@pytest.mark.parametrize(
    ("level", "named"),
    [
        ("project", ("project",)),
        ("member", ("holder",)),
        ("member_in_project", ("project", "holder")),
        ("key", ("key",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_limit_of_each_level_binds_whom_it_names(
    as_alice: Client,
    organization: Organization,
    bob: User,
    bobs_key: ApiKey,
    level: str,
    named: tuple[str, ...],
) -> None:
    whom = {
        "project": organization.projects.get().unit_id,
        "holder": unit_of(organization, bob),
        "key": bobs_key.pk,
    }
    bare = as_alice.post(url("budget-create"), terms(level=level, confirmed="yes"))
    assert pages.read(bare).text.count("Choose one: this limit is of it.") == len(named)
    # What is beside the level is not heard.
    as_alice.post(url("budget-create"), terms(level=level, confirmed="yes", **whom))
    [link] = chain_of(bobs_key.spender_id)
    assert (link.level, link.limit_micros) == (level, 5 * CREDIT)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("credits", "-1", "Write credits as"),
        ("credits", "1e9", "Write credits as"),
        ("credits", "0", "more than 0"),
        ("credits", "1.1234567", "Write credits as"),
        ("credits", "9999999999", "at most 1,000,000,000"),
        ("credits", "", "required"),
        ("window", "year", "valid choice"),
        ("level", "planet", "valid choice"),
        ("operation", "dance", "valid choice"),
        ("model_pattern", "a,,b", "empty"),
        ("model_pattern", "x" * 201, "at most 200"),
    ],
)
def test_what_makes_no_sense_is_said_beside_its_field(
    as_alice: Client, organization: Organization, field: str, value: str, said: str
) -> None:
    form = terms(**{field: value}, confirmed="yes")
    page = pages.read(as_alice.post(url("budget-create"), form))
    assert said in page.text
    assert limits(organization) == []
    kept = [e.attributes.get("value") or "" for e in page.elements if e.tag == "input"]
    assert field in ("window", "level", "operation") or value in kept


def test_a_foreign_subject_cannot_be_chosen(
    as_alice: Client, organization: Organization, mallory: User
) -> None:
    foreign = Organization.objects.get(slug="elsewhere")
    form = terms(level="project", project=foreign.projects.get().unit_id)
    page = pages.read(as_alice.post(url("budget-create"), form | {"confirmed": "yes"}))
    assert "valid choice" in page.text
    assert not Budget.objects.exists()


def test_another_amount_is_replayed_and_saved_and_twice_is_once(
    as_alice: Client, organization: Organization
) -> None:
    budget_id = make_budget(organization)
    form = {"credits": "30", "counts_spend_so_far": "on"}
    page = pages.read(as_alice.post(url("budget-change", budget_id), form))
    assert "30 credits a day, instead of 100" in page.text
    for _ in range(2):
        as_alice.post(url("budget-change", budget_id), form | {"confirmed": "yes"})
    assert limits(organization) == [("organization", "day", 30)]
    assert AuditEvent.objects.filter(action="budget.set").count() == 2


def test_a_viewer_reads_and_is_told_no_names_of_keys_and_members(
    organization: Organization, bob: User, bobs_key: ApiKey
) -> None:
    make_budget(organization, Subject(Level.KEY, spender_id=bobs_key.spender_id))
    make_budget(
        organization, Subject(Level.MEMBER, holder_id=unit_of(organization, bob))
    )
    client = signed_in(make_member(organization, "v@example.com", Role.VIEWER))
    page = pages.read(client.get(url("budgets")))
    assert "Key —" in page.text
    assert "Member —" in page.text
    assert "bob@" not in page.text
    assert "ci" not in page.text.split()
    assert "New limit" not in page.text


def test_a_limit_in_anothers_place_is_found_by_the_old_link(
    as_alice: Client, organization: Organization
) -> None:
    old = make_budget(organization)
    new = budgets.set_limit(
        organization,
        Subject(Level.ORGANIZATION),
        Window.DAY,
        50 * CREDIT,
        counts_spend_so_far=False,
        actor=OPERATOR,
    ).id
    answer = as_alice.get(url("budget", old))
    assert answer.headers["Location"] == url("budget", new)
    as_alice.post(url("budget-remove", new))
    for budget_id in (old, new):
        answer = as_alice.get(url("budget", budget_id))
        assert answer.headers["Location"] == url("budgets")
    assert as_alice.post(url("budget-remove", new)).status_code == 302  # twice


def test_foreign_and_missing_limits_are_one(
    organization: Organization, mallory: User, alice: User
) -> None:
    budget_id = make_budget(organization)
    asked = make_raise_request(organization, alice)
    client = signed_in(mallory)
    for number in (budget_id, 10**9):
        assert client.get(reverse("budget-link", args=[number])).status_code == 404
        place = reverse("budget", args=["elsewhere", number])
        assert client.get(place).status_code == 404
        for name in ("budget-change", "budget-remove", "budget-raise", "budget-ask"):
            answer = client.post(reverse(name, args=["elsewhere", number]))
            assert answer.status_code == 404, name
    grant = reverse("raise-request-grant", args=["elsewhere", asked.pk])
    assert client.post(grant).status_code == 404
    assert limits(organization) == [("organization", "day", 100)]


def test_the_empty_page_has_templates(as_alice: Client) -> None:
    page = pages.read(as_alice.get(url("budgets")))
    [link] = [link for link in page.links() if "level=member" in link]
    form = pages.read(as_alice.get(link))
    values = {e.attributes.get("name"): e.attributes for e in form.elements}
    assert values["credits"]["value"] == "100"
    assert any(
        e.attributes.get("value") == "member" and "selected" in e.attributes
        for e in form.elements
        if e.tag == "option"
    )


def test_history_says_who_did_what(
    as_alice: Client, organization: Organization, alice: User
) -> None:
    budget_id = make_budget(organization, actor=actor_of(alice))
    page = pages.read(as_alice.get(url("budget", budget_id)))
    assert "alice@example.com budget.set" in page.text
