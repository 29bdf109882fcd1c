"""The pages of projects, and of organizations that people make and move.

Costs 2 s.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from billing.budgets import Subject
from billing.models.budget import Level, Window
from billing.values.orders import CREDIT
from portal.models import Membership, Organization, Project, Role, User
from portal.tenants import budgets, keys, project_members, projects, rules
from portal.tenants.errors import ArchivedProject
from tests.support.cast import OPERATOR, actor_of, make_call, make_key, make_member
from tests.support.portal import pages

pytestmark = pytest.mark.once

PROJECTS = "/o/acme/projects/"


@pytest.fixture
def owner(client: Client, alice: User, organization: Organization) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def search(organization: Organization, alice: User) -> Project:
    return projects.create(organization, "Search", actor=actor_of(alice))


@pytest.fixture
def bobs(organization: Organization, bob: User) -> Membership:
    return organization.memberships.get(user=bob)


def text_of(response: Any) -> str:
    return pages.read(response).text


def test_a_project_is_made_once_by_one_form(owner: Client) -> None:
    form = {"name": "Search", "ticket": uuid4().hex}
    made = owner.post(f"{PROJECTS}new", form)
    project = Project.objects.get(name="Search")
    assert made["Location"] == f"{PROJECTS}{project.pk}/"
    assert owner.post(f"{PROJECTS}new", form)["Location"] == PROJECTS
    assert project.owner is not None
    taken = owner.post(f"{PROJECTS}new", form | {"ticket": uuid4().hex})
    assert "called the same" in text_of(taken)
    assert 'value="Search"' in taken.content.decode()
    assert Project.objects.count() == 2


@pytest.mark.parametrize("name", ["", "a\x00b", "a\u202eb", "x" * 10_000])
def test_a_name_that_cannot_be_shown_is_said_beside_the_field(
    owner: Client, search: Project, name: str
) -> None:
    form = {"name": name, "ticket": uuid4().hex}
    for url in (f"{PROJECTS}new", f"{PROJECTS}{search.pk}/edit"):
        answer = owner.post(url, form)
        assert answer.status_code == 200
        assert "errorlist" in answer.content.decode()
    assert list(Project.objects.order_by("pk").values_list("name", flat=True)) == [
        *("Default", "Search"),
    ]


def test_the_page_shows_budget_keys_spend_models_and_members(
    owner: Client, organization: Organization, search: Project, bobs: Membership
) -> None:
    key, _ = keys.issue(search, "ci", actor=actor_of(bobs.user))
    make_call(key, charged=7, model="openai/gpt-4o")
    make_call(make_key(organization, bobs.user)[0], charged=900 // 100)
    budgets.set_limit(
        organization,
        Subject(Level.PROJECT, project_id=search.unit_id),
        Window.MONTH,
        321 * CREDIT,
        counts_spend_so_far=True,
        actor=OPERATOR,
    )
    rules.set_rules(organization, actor=OPERATOR, unit=search.unit, models=["openai/*"])
    shown = text_of(owner.get(f"{PROJECTS}{search.pk}/"))
    for words in ("Credits 7", "openai/gpt-4o", "321", "314", "ci", "openai/*"):
        assert words in shown, words
    assert "alice@example.com" in shown
    listed = text_of(owner.get(PROJECTS))
    assert "Search alice@example.com 2 1 1 7" in listed


def test_a_developer_sees_their_own_part_and_only_their_projects(
    client: Client, organization: Organization, search: Project, bobs: Membership
) -> None:
    carol = make_member(organization, "carol@example.com", Role.DEVELOPER)
    for user, charged in ((bobs.user, 5), (carol, 11)):
        made, _ = keys.issue(search, f"{user.email}'s", actor=actor_of(user))
        make_call(made, charged=charged)
    client.force_login(bobs.user)
    shown = text_of(client.get(f"{PROJECTS}{search.pk}/"))
    assert "Credits 5" in shown
    assert "carol@" not in shown
    default = projects.default_of(organization)
    project_members.limit(bobs, [search], actor=OPERATOR)
    assert client.get(f"{PROJECTS}{default.pk}/").status_code == 404
    listed = text_of(client.get(PROJECTS))
    assert "Search" in listed
    assert "Default" not in listed
    for way in ("edit", "archive", "restore", "join", f"members/{bobs.pk}/leave"):
        assert client.post(f"{PROJECTS}{search.pk}/{way}").status_code == 404
    assert client.post(f"{PROJECTS}new").status_code == 404


def test_a_viewer_sees_no_key_and_no_member(
    client: Client, organization: Organization, search: Project
) -> None:
    key, _ = keys.issue(
        search, "secret name", actor=OPERATOR, holder=organization.memberships.get()
    )
    client.force_login(make_member(organization, "v@example.com", Role.VIEWER))
    shown = text_of(client.get(f"{PROJECTS}{search.pk}/"))
    for hidden in ("secret name", key.hint, "alice@"):
        assert hidden not in shown
    assert "alice@" not in text_of(client.get(PROJECTS))


def test_archived_and_restored_by_a_click_each(
    owner: Client, search: Project, bob: User
) -> None:
    _, secret = keys.issue(search, "k", actor=actor_of(bob))
    for _ in range(2):
        owner.post(f"{PROJECTS}{search.pk}/archive")
    with pytest.raises(ArchivedProject):
        keys.verify(secret)
    assert "archived" in text_of(owner.get(PROJECTS))
    shown = owner.get(f"{PROJECTS}?state=active")
    assert f"{PROJECTS}{search.pk}/" not in pages.read(shown).links()
    for _ in range(2):
        owner.post(f"{PROJECTS}{search.pk}/restore")
    keys.verify(secret)
    default = Project.objects.get(is_default=True)
    answer = owner.post(f"{PROJECTS}{default.pk}/archive", follow=True)
    assert "cannot be archived" in text_of(answer)


def test_members_are_added_and_taken_out_with_their_keys(
    owner: Client, search: Project, bobs: Membership, alice: User
) -> None:
    project_members.limit(bobs, [], actor=OPERATOR)
    for _ in range(2):
        owner.post(f"{PROJECTS}{search.pk}/join", {"member": bobs.pk})
    key, secret = keys.issue(search, "k", actor=actor_of(bobs.user))
    url = f"{PROJECTS}{search.pk}/members/{bobs.pk}/leave"
    asked = owner.get(url)
    assert "k tg_live_" in text_of(asked)
    owners = alice.memberships.get().pk
    assert f'value="membership-{owners}" selected' in asked.content.decode()
    assert "required" in text_of(owner.post(url, {"x": "1"}))
    form = {str(key.pk): f"membership-{owners}"}
    for _ in range(2):
        owner.post(url, form)
    assert keys.verify(secret).key_id == key.pk
    key.refresh_from_db()
    assert keys.holder_of(key).pk == owners
    for missing in ("0", "x", "9" * 30, ""):
        answer = owner.post(f"{PROJECTS}{search.pk}/join", {"member": missing})
        assert answer.status_code == 404


def test_name_and_owner_are_changed_and_a_stale_form_undoes_nothing(
    owner: Client, search: Project, bobs: Membership, alice: User
) -> None:
    owners = alice.memberships.get().pk
    url = f"{PROJECTS}{search.pk}/edit"
    stale = {
        "name": "Search",
        "initial-name": "Search",
        "owner": owners,
        "initial-owner": owners,
    }
    owner.post(url, stale | {"name": "Find"})
    owner.post(url, stale | {"owner": bobs.pk})
    search.refresh_from_db()
    assert (search.name, search.owner) == ("Find", bobs)
    assert "called the same" in text_of(owner.post(url, stale | {"name": "Default"}))
    assert "valid choice" in text_of(owner.post(url, stale | {"owner": "999999"}))


def test_a_project_of_another_organization_is_missing(
    owner: Client, mallory: User
) -> None:
    foreign = mallory.memberships.get().organization.projects.get()
    for way in ("", "edit"):
        assert owner.get(f"{PROJECTS}{foreign.pk}/{way}").status_code == 404
    for way in ("edit", "archive", "restore", "join"):
        assert owner.post(f"{PROJECTS}{foreign.pk}/{way}").status_code == 404
    foreign.refresh_from_db()
    assert foreign.archived_at is None


# --- organizations -----------------------------------------------------------------


def test_ones_own_organization_is_made_once_by_one_form(
    client: Client, bob: User, settings: Any
) -> None:
    settings.SIGNUP, settings.OWN_ORGANIZATIONS = "closed", False
    client.force_login(bob)
    assert client.get("/organizations/new").status_code == 404
    settings.OWN_ORGANIZATIONS = True
    form = {"name": "Bob's lab", "ticket": uuid4().hex}
    made = client.post("/organizations/new", form)
    assert made["Location"] == "/o/bobs-lab/"
    assert client.post("/organizations/new", form)["Location"] == "/"
    assert Organization.objects.filter(name="Bob's lab").count() == 1
    assert "at most" in text_of(
        client.post("/organizations/new", form | {"name": "x" * 10_000})
    )
    assert "Bob&#x27;s lab" in client.get("/o/bobs-lab/").content.decode()
    assert Client().get("/organizations/new").status_code == 302


def test_the_address_is_changed_where_it_may_be(
    owner: Client, organization: Organization
) -> None:
    url = "/o/acme/settings/address"
    form = {"slug": "admin", "initial-slug": "acme"}
    assert "reserved" in text_of(owner.post(url, form))
    assert "small letters" in text_of(owner.post(url, form | {"slug": "No Good"}))
    moved = owner.post(url, form | {"slug": "rocket"})
    assert moved["Location"] == "/o/rocket/settings/"
    again = owner.post(url, form | {"slug": "rocket"})  # a double click
    assert (again.status_code, again["Location"]) == (307, "/o/rocket/settings/address")
    stale = owner.post("/o/rocket/settings/address", {**form, "slug": "acme"})
    assert stale.status_code == 302
    organization.refresh_from_db()
    assert organization.slug == "rocket"
