"""Every page, asked with values that nobody writes: a page or a clear no, never 500."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy

import pytest
from django.db import transaction
from django.http import QueryDict
from django.test import Client
from pytest_django import DjangoDbBlocker

from tests.support import sources
from tests.support.portal.neighbours import Neighbour, all_routes, make_neighbour
from tests.support.services.environment import wanted_database

READ = re.compile(r"""(?:GET|bar|query|POST)\.(?:get|getlist)\(\s*"([a-z_]+)""")
NAMES = sorted(
    {
        name
        for path in sources.python_files("portal", "proxy")
        for name in READ.findall(path.read_text())
    }
)
# A number that no column holds, what PostgreSQL cannot store, and, of any database, a
# digit that is no number.
VALUES = ["9" * 5000, "\x00"]
if wanted_database() == "sqlite":
    VALUES.append("²")
SECRETLESS = {"stripe-webhook"}  # 503 without one


@pytest.fixture(scope="module")
def ours(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Neighbour]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_neighbour("zzqueried")
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def browser(ours: Neighbour) -> Client:
    """The owner's."""
    browser = Client(raise_request_exception=False)
    browser.force_login(ours.people["owner"])
    return browser


@pytest.mark.parametrize("route", all_routes(), ids=lambda route: route.name)
def test_no_value_breaks_a_page(
    ours: Neighbour, browser: Client, route: object
) -> None:
    url = route.url(ours.objects)  # type: ignore[attr-defined]
    for value in VALUES:
        query = QueryDict(mutable=True)
        for name in NAMES:
            query[name] = value
        for method in ("get", "post"):
            cookies = deepcopy(browser.cookies)
            with transaction.atomic():
                ask = getattr(browser, method)
                answer = (
                    ask(f"{url}?{query.urlencode()}")
                    if method == "get"
                    else ask(url, query.dict())
                )
                transaction.set_rollback(True)
            browser.cookies = cookies
            name = route.name  # type: ignore[attr-defined]
            is_sound = answer.status_code < 500 or name in SECRETLESS
            assert is_sound, f"{method} {url} with {value[:9]!r}"


def test_a_query_of_too_many_fields_is_refused(
    ours: Neighbour, browser: Client
) -> None:
    fields = "&".join(f"f{number}=" for number in range(1001))
    url = f"/o/{ours.organization.slug}/activity/?{fields}"
    assert browser.get(url).status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize("value", [r'"abcdefgh\000ij"', "x" * 5000, "²" * 9, '"\\377"'])
def test_a_cookie_that_is_no_session_is_none(value: str) -> None:
    browser = Client(raise_request_exception=False)
    for name in ("sessionid", "device", "csrftoken", "messages", "theme"):
        cookie = f"{name}={value}".encode().decode("latin-1")
        for method in (browser.get, browser.post):
            answer = method("/account/sign-in", HTTP_COOKIE=cookie)
            assert answer.status_code in {200, 403}, name
        assert browser.get("/account/", HTTP_COOKIE=cookie).status_code == 302
