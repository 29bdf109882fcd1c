"""The pages there are, from the list of URLs itself: nobody adds a page to a list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from billing.reports.usage import Dimension
from tests.pages.house import House

# What stands before a parameter in a URL, and its name: which of `House.objects` it is.
KINDS = {
    "o/slug": "slug",
    "leave/slug": "slug",
    "webhooks/endpoint_id": "webhook",
    "deliveries/delivery_id": "delivery",
    "chats/chat_id": "chat",
    "keys/key_id": "key",
    "secrets/secret_id": "secret",
    "projects/pk": "project",
    "members/pk": "member",
    "members/member_pk": "member",
    "invitations/pk": "invitation",
    "invitations/token": "invitation token",
    "service-accounts/account_id": "service account",
    "views/view_id": "saved view",
    "activity/request_id": "call",
    "top-up/order_id": "order",
    "back/topup_id": "top-up",
    "budgets/budget_id": "budget",
    "raises/raise_id": "raise",
    "requests/request_id": "raise request",
    "jobs/job_id": "job",
    "passkeys/pk": "passkey",
    "statements/month": "month",
    "receipts/number": "receipt",
    "exports/export_id": "export",
    "schedules/schedule_id": "schedule",
    "sso/provider_id": "identity provider",
}
# A house has none of these.
NOWHERE = frozenset(
    {"job", "passkey", "identity provider", "secret", "receipt", "export", "schedule"}
)
PARAMETER = re.compile(r"([\w-]+)/<\w+:(\w+)>")
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
    "activity": ["model=openai/gpt-4o&range=30d"],
    "explain": ["range=previous-month"],
}
# Routes of ours that a browser's owner is sent away from, or that end something.
NO_PAGES = frozenset({"home", "sign-out"})


@dataclass(frozen=True)
class Route:
    """A URL's name, and which objects are in it, by its parameters. Raises: KeyError
    for a parameter that is not in `KINDS`."""

    name: str
    kinds: dict[str, str]

    def url(self, house: House) -> str:
        values = {name: house.objects[kind] for name, kind in self.kinds.items()}
        return reverse(self.name, kwargs=values)


def routes() -> list[Route]:
    return list(_walk(get_resolver().url_patterns, ""))


def _walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[Route]:
    for pattern in patterns:
        text = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, text)
        elif pattern.name and pattern.name not in NO_PAGES:
            found = PARAMETER.findall(text)
            kinds = {name: KINDS[f"{place}/{name}"] for place, name in found}
            if not NOWHERE & set(kinds.values()):
                yield Route(pattern.name, kinds)


def pages(house: House, client: Client) -> dict[str, str]:
    """Name and URL of each page that `client` is shown: not what takes only forms,
    sends on to another page, is a file or a part of a page."""
    found: dict[str, str] = {}
    for route in routes():
        url = route.url(house)
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
