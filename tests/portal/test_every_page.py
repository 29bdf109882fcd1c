"""What holds for every page there is, found by the list of URLs: in a real browser over
the real server, with and without scripts, and on the wire."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, expect
from pytest_django import DjangoDbBlocker

from tests.pages import house, routes
from tests.pages.house import House
from tests.support import sources
from tests.support.portal import axe, browser
from tests.support.portal.pages import Element, Page, misplaced
from tests.support.services import database
from tests.support.services.gateway import Gateway

pytestmark = [pytest.mark.sqlite_only, pytest.mark.timeout(900)]

WEIGHT_MAX = 100_000  # bytes of HTML, CSS and JS, as they come over the wire
OWN_SCRIPTS_MAX = 10_000  # bytes as they are written
NOBODY, OWNER = "nobody", "owner"
# Who looks, and a URL.
Found = dict[tuple[str, str], str]


@dataclass(frozen=True)
class Shown:
    """A served house: its pages by who looks and a name, and its owner's session."""

    url: str
    pages: Found
    session: str

    def enter(self, context: BrowserContext, who: str) -> None:
        context.clear_cookies()
        if who == OWNER:
            cookie = {"name": "sessionid", "value": self.session, "url": self.url}
            context.add_cookies([cookie])  # type: ignore[list-item]


@pytest.fixture(scope="module")
def shown(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shown]:
    """A database of the file's own: its house is made by plain SQL, and no ledger that
    anybody verifies would be like it."""
    folder: Path = tmp_path_factory.mktemp("pages")
    with (
        django_db_blocker.unblock(),
        database.empty_at(folder / "pages.sqlite3") as url,
    ):
        name = f"house-{uuid4().hex[:8]}"
        acme = house.build(name, calls_count=25, keys_count=4, members_count=4)
        pages = found(acme)
        signed_in = Client()  # without the way through the sign-in
        signed_in.force_login(acme.owner)
        session = signed_in.cookies["sessionid"].value
    gateway = Gateway(folder=folder, environment={"DATABASE_URL": url})
    gateway.start()
    yield Shown(gateway.url, pages, session)
    gateway.stop()


def found(acme: House) -> Found:
    """Every page of the owner's and of nobody's, by who looks and its name."""
    signed_in = Client()
    signed_in.force_login(acme.owner)
    pages = {
        (who, name): url
        for who, client in ((OWNER, signed_in), (NOBODY, Client()))
        for name, url in routes.pages(acme, client).items()
    }
    pages[NOBODY, "missing"] = "/nowhere"
    assert len(pages) > 8
    return pages


def test_axe_finds_nothing_and_nothing_moves_or_sticks_out(
    shown: Shown, chromium: str
) -> None:
    wrong = dict[str, list[str]]()
    with browser.browsing(chromium) as context:
        page = context.new_page()
        said = browser.complaints(page)
        for (who, name), path in shown.pages.items():
            shown.enter(context, who)
            page.goto(shown.url + path)
            findings = axe.look(page)
            findings += [text for text in said if name != "missing"]
            said.clear()
            if findings:
                wrong[f"{name} {path}"] = findings
    assert not wrong, "\n".join(f"{k}\n" + "\n".join(v) for k, v in wrong.items())


def test_every_page_opens_without_scripts(shown: Shown, chromium: str) -> None:
    with browser.browsing(chromium, java_script_enabled=False) as context:
        page = context.new_page()
        for (who, _), path in shown.pages.items():
            shown.enter(context, who)
            page.goto(shown.url + path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            expect(page.locator("[data-copy]:visible")).to_have_count(0)
            expect(page.locator("dialog:visible")).to_have_count(0)


def test_every_page_is_light_and_strict(shown: Shown) -> None:
    @cache
    def weight(url: str) -> int:
        reply = client.get(url)
        assert reply.headers.get("content-encoding") == "gzip", url
        return reply.num_bytes_downloaded

    cookies = {OWNER: {"sessionid": shown.session}, NOBODY: {}}
    with httpx.Client(base_url=shown.url, timeout=60) as client:
        for (who, name), path in shown.pages.items():
            client.cookies = httpx.Cookies(cookies[who])
            reply = client.get(path)
            page = Page()
            page.feed(reply.text)
            files = sum(weight(url) for url in assets(page))
            assert reply.num_bytes_downloaded + files <= WEIGHT_MAX, (name, files)
            policy = reply.headers["content-security-policy"]
            assert "unsafe" not in policy, name
            assert "script-src 'self'" in policy, name
            assert misplaced(page) == [], name
            assert list(idle_buttons(page)) == [], name


def test_our_own_scripts_are_small() -> None:
    scripts = list(sources_of_scripts())
    assert len(scripts) >= 2
    assert sum(len(text.encode()) for text in scripts) <= OWN_SCRIPTS_MAX


def assets(page: Page) -> Iterator[str]:
    for each in page.elements:
        if each.tag == "script" or each.attributes.get("rel") == "stylesheet":
            yield each.attributes.get("src") or each.attributes["href"] or ""


def idle_buttons(page: Page) -> Iterator[Element]:
    """Those that do nothing without a script, and are not hidden until one has run."""
    for each in page.elements:
        is_idle = each.tag == "button" and each.attributes.get("type") == "button"
        if is_idle and not {"hidden", "popovertarget"} & set(each.attributes):
            yield each


def sources_of_scripts() -> Iterator[str]:
    for path in sources.all_files():
        if re.search(r"portal/static/.+\.js$", path.as_posix()):
            yield path.read_text()
