"""The pages there are, from the list of URLs itself: nobody adds a page to a list."""

from __future__ import annotations

from django.test import Client

from billing.reports.usage import Dimension
from tests.pages.house import House
from tests.support.portal.neighbours import Route, all_routes

# A house has none of these.
NOWHERE = frozenset(
    {"job", "passkey", "identity provider", "secret", "receipt", "export", "schedule"}
)
# Pages that a setting opens, or that are for others: what those get who open them.
CLOSED = {
    "organization-create": 404,
    "found-organization": 404,
    "mfa_deactivate_totp": 404,
    "invitation": 403,
}
# Ways to ask for a page that cost more than its first sight.
ASKED_FOR = {
    "usage": [
        *(f"by={by}&range=previous-month&compare=1" for by in Dimension),
        "by=session&range=30d",
    ],
    "activity": ["model=openai/gpt-4o&range=30d", "state=refused&range=30d"],
    "explain": ["range=previous-month"],
}
# Routes of ours that a browser's owner is sent away from, or that end something.
NO_PAGES = frozenset({"home", "sign-out"})


def routes() -> list[Route]:
    """Those whose objects a house has."""
    return [
        route
        for route in all_routes()
        if route.name not in NO_PAGES and not NOWHERE & {*route.kinds.values()}
    ]


def pages(house: House, client: Client) -> dict[str, str]:
    """Name and URL of each page that `client` is shown: not what takes only forms,
    sends on to another page, is a file or a part of a page."""
    found: dict[str, str] = {}
    for route in routes():
        url = route.url(house.objects)
        if url in found.values():  # another name of the same
            continue
        answer = client.get(url)
        content = b"".join(answer) if answer.streaming else answer.content
        known = {200, 204, 302, 405, CLOSED.get(route.name)}
        assert answer.status_code in known, (url, answer.status_code)
        if answer.status_code == 200 and b"<html" in content:
            found[route.name] = url
            for query in ASKED_FOR.get(route.name, ()):
                found[f"{route.name} {query}"] = f"{url}?{query}"
    return found
