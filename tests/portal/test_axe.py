"""The looking of `test_every_page.py` itself: what it passes over was looked at."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Route

from tests.support.portal import axe, browser

STYLE = """
body { background: #fff; color: #000 } b { color: #000 }
@media (prefers-color-scheme: dark) {
  body { background: #000; color: #fff } b { color: #fff }
  @media (max-width: 400px) { .faint { color: #333 } }
}"""


def page_of(cells: str) -> str:
    title = "<title>Rows</title>"
    head = f'<html lang="en"><head>{title}<style>{STYLE}</style></head>'
    return f"{head}<body><main><h1>Rows</h1>{cells}</main></body></html>"


def looked(context: BrowserContext, *pages: str) -> list[list[str]]:
    """What is found in each, one opened after the other."""
    page = context.new_page()
    answers = iter(pages)

    def answer(route: Route) -> None:
        route.fulfill(content_type="text/html", body=page_of(next(answers)))

    page.route("**/page", answer)
    found = []
    for _ in pages:
        page.goto("http://house.test/page")
        found.append(axe.look(page))
    return found


@pytest.mark.parametrize("place", ["<p>{}</p>", "<p>one</p><p>two</p><p>{}</p>"])
def test_a_faint_word_is_found_in_the_look_in_which_it_is(
    chromium: str, place: str
) -> None:
    plain = place.format("<b>seen</b>")
    faint = place.format("<b>seen</b> <b class='faint'>hardly</b>")
    with browser.browsing(chromium) as context:
        first, again, found = looked(context, plain, plain, faint)
    assert (first, again) == ([], [])
    assert len(found) == 1
    assert found[0].startswith("dark 320")
    assert "color-contrast" in found[0]


def test_what_is_no_matter_of_colour_is_looked_at_on_every_page(chromium: str) -> None:
    unnamed = "<p>seen</p><button type='button'></button>"
    with browser.browsing(chromium) as context:
        _, found = looked(context, unnamed, unnamed)
    assert [each.partition(":")[0] for each in found] == ["light 1280", "light 320"]
