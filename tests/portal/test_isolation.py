"""Every route × everybody × own, foreign and missing objects × methods: nobody learns
of or changes what is another organization's, and nothing fails.

The routes are those of the URL list; one whose arguments nobody has classified in
`tests/support/portal/neighbours.py` fails. Costs 15 s: one world for all of it, and
every request is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import pytest
from django.db import connection, transaction
from django.test import Client
from pytest_django import DjangoDbBlocker

from portal.models import AuditEvent, Role
from portal.tenants import members, organizations
from tests.support.cast import OPERATOR, actor_of, make_user
from tests.support.portal import pages
from tests.support.portal.neighbours import (
    MISSING,
    Neighbour,
    Route,
    all_routes,
    make_neighbour,
)

pytestmark = pytest.mark.once

OURS, THEIRS, ASLEEP = "zzours", "zztheirs", "zzasleep"
READING = ("get", "post")
OTHERS = ("head", "put", "delete")
MEMBERS = ("owner", "admin", "developer", "billing", "viewer")
OUTSIDE = ("signed out", "stranger", "disabled", "suspended", "former")
LONG = 8  # characters
ROUTES = {route.name: route for route in all_routes()}


class Answer(NamedTuple):
    """What somebody is told: without what differs from request to request."""

    status: int
    text: str
    place: str  # of a redirect
    is_changing: bool


class World(NamedTuple):
    """Two neighbours, one of them suspended beside them, and everybody's browser."""

    ours: Neighbour
    theirs: Neighbour
    browsers: dict[str, Client]
    nowhere: dict[str, Answer]  # what each is told of a missing organization


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_world()
        transaction.set_rollback(True)


def make_world() -> World:
    ours, theirs = make_neighbour(OURS), make_neighbour(THEIRS)
    asleep = make_neighbour(ASLEEP)
    organizations.suspend(asleep.organization, reason="unpaid", actor=OPERATOR)
    people = {name: ours.people[name] for name in MEMBERS}
    for name in ("disabled", "former"):
        person = make_user(f"{name}@ours.example")
        owner = actor_of(ours.people["owner"])
        member = members.add(ours.organization, person, Role.OWNER, actor=owner)
        (members.disable if name == "disabled" else members.remove)(member, actor=owner)
        people[name] = person
    people["stranger"] = theirs.people["owner"]
    people["suspended"] = asleep.people["owner"]
    browsers = {"signed out": Client(raise_request_exception=False)}
    for name, person in people.items():
        browsers[name] = Client(raise_request_exception=False)
        browsers[name].force_login(person)
    return World(ours, theirs, browsers, {})


def ask(browser: Client, method: str, url: str, objects: dict[str, object]) -> Answer:
    """In a savepoint that is rolled back, the browser's cookies with it."""
    cookies, events = deepcopy(browser.cookies), acts_written()
    with transaction.atomic():
        answer = getattr(browser, method)(url)
        body = content_of(answer)
        is_changing = acts_written() != events
        transaction.set_rollback(True)
    browser.cookies = cookies
    text, place = body, answer.headers.get("Location", "")
    if "html" in answer.headers.get("Content-Type", ""):
        page = pages.read_text(body)
        text, problems = page.text, pages.misplaced(page)
        assert not problems, f"{method} {url}: {problems}"
    for kind, value in objects.items():
        # Where an id stands in an address; a short one may be any number elsewhere.
        place = place.replace(f"/{value}", f"/<{kind}>")
        text = text.replace(f"/{value}", f"/<{kind}>")
        if len(str(value)) > LONG:
            text = text.replace(str(value), f"<{kind}>")
    if place.startswith("/account/sign-in"):
        place = "/account/sign-in"
    return Answer(answer.status_code, text, place, is_changing)


def acts_written() -> int:
    """How many rows the audit trail has: asked twice for each of 4,000 requests."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {AuditEvent._meta.db_table}")
        return int(cursor.fetchone()[0])


def content_of(answer: Any) -> str:
    if answer.streaming:
        return b"".join(answer.streaming_content).decode(errors="replace")
    found: bytes = answer.content
    return found.decode(errors="replace")


def of(route: Route, objects: dict[str, object]) -> dict[str, object]:
    """What of these stands in the route's URL."""
    kinds = set(route.kinds.values())
    return {kind: objects.get(kind, MISSING.get(kind, 10**7)) for kind in sorted(kinds)}


def is_sound(found: Answer, name: str) -> bool:
    """Nothing broke. Without a secret no webhook is believed: 503 says so."""
    return found.status < 500 or (found.status, name) == (503, "stripe-webhook")


@pytest.mark.parametrize("name", ROUTES)
def test_who_is_not_a_member_learns_and_changes_nothing(
    world: World, name: str
) -> None:
    """Whatever they ask for, it is as if there were no such organization."""
    route = ROUTES[name]
    real = of(route, world.ours.objects)
    for who in OUTSIDE:
        for method in READING + (OTHERS if who == "stranger" else ()):
            found = ask(world.browsers[who], method, route.url(real), real)
            asked = f"{who}: {method} {route.url(real)}"
            assert is_sound(found, name), asked
            # Who has an invitation's link is told who invites them; who is disabled
            # may leave.
            is_told = "invitation token" in real or (who, name) == ("disabled", "leave")
            if is_told:
                continue
            assert OURS not in found.text.lower(), asked
            if route.is_of_an_organization:
                none = (route, of(route, {}))
                assert is_missing(world, who, method, found, none), asked


@pytest.mark.parametrize("name", ROUTES)
def test_who_is_a_member_finds_nothing_of_another_organization(
    world: World, name: str
) -> None:
    """A foreign object under one's own organization is missing."""
    route = ROUTES[name]
    own = of(route, world.ours.objects)
    for who in MEMBERS:
        found = ask(world.browsers[who], "get", route.url(own), own)
        assert is_sound(found, name), f"{who}: {route.url(own)}"
        assert THEIRS not in found.text.lower(), f"{who}: {route.url(own)}"
    for method in ("post", *OTHERS):
        found = ask(world.browsers["owner"], method, route.url(own), own)
        assert is_sound(found, name), f"owner: {method} {route.url(own)}"
    for foreign, missing in mixed(route, world):
        for who in MEMBERS:
            for method in READING:
                found = ask(world.browsers[who], method, route.url(foreign), foreign)
                asked = f"{who}: {method} {route.url(foreign)}"
                assert THEIRS not in found.text.lower(), asked
                assert is_missing(world, who, method, found, (route, missing)), asked


def is_missing(
    world: World,
    who: str,
    method: str,
    found: Answer,
    none: tuple[Route, dict[str, object]],
) -> bool:
    """Whether nothing was changed, and it is what they are told of what there is not:
    the page that says so, or what the same route says of a missing object."""
    if found.is_changing:
        return False
    if who not in world.nowhere:
        told = ask(world.browsers[who], "get", "/o/nowhere/", {})
        assert told.status == (302 if who == "signed out" else 404), f"{who}: {told}"
        world.nowhere[who] = told
    if found[:3] == world.nowhere[who][:3] or found.status == 405:
        return True
    route, objects = none
    missing = ask(world.browsers[who], method, route.url(objects), objects)
    return found[:3] == missing[:3] and found.status in {302, 404}


def mixed(
    route: Route, world: World
) -> Iterator[tuple[dict[str, object], dict[str, object]]]:
    """One foreign object among own ones, and in its place one that is missing."""
    if not route.is_of_an_organization:
        return
    own = of(route, world.ours.objects)
    for kind in own.keys() - {"slug", "month"}:  # a month is everybody's
        theirs = {kind: world.theirs.objects[kind]}
        yield own | theirs, own | {kind: MISSING.get(kind, 10**7)}
