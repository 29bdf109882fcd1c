"""The pages there are, from the list of URLs itself: nobody adds a page to a list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.pages.house import House

PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
# Routes of ours that a browser's owner is sent away from, or that end something.
NO_PAGES = frozenset({"home", "sign-out"})


@dataclass(frozen=True)
class Route:
    """A URL's name, and the parameters in it."""

    name: str
    parameters: tuple[str, ...]

    def url(self, house: House) -> str:
        """Raises: KeyError for a parameter that `House.objects` has no value for: add
        one in `tests/pages/house.py`."""
        return reverse(
            self.name, args=[house.objects[each] for each in self.parameters]
        )


def routes() -> list[Route]:
    return list(_walk(get_resolver().url_patterns, ""))


def _walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[Route]:
    for pattern in patterns:
        text = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, text)
        elif pattern.name and pattern.name not in NO_PAGES:
            yield Route(pattern.name, tuple(PARAMETER.findall(text)))


def pages(house: House, client: Client) -> dict[str, str]:
    """Name and URL of each page that `client` is shown: not what takes only forms,
    sends on to another page, or is a file."""
    found = {}
    for route in routes():
        url = route.url(house)
        answer = client.get(url)
        is_html = answer.headers.get("Content-Type", "").startswith("text/html")
        if answer.status_code == 200 and is_html:
            found[route.name] = url
        else:
            assert answer.status_code in {200, 204, 302, 405}, (url, answer.status_code)
    return found
