"""Links from figures to the lists that they come from."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode


def page(name: str, *arguments: object, **query: str) -> str:
    """ "" where there is no such page."""
    try:
        url = reverse(name, args=arguments)
    except NoReverseMatch:
        return ""
    return f"{url}?{urlencode(query)}" if query else url


def of_range(
    name: str, slug: str, since: datetime, until: datetime, **filters: str
) -> str:
    """A list of the same instants; UTC needs no zone to be read."""
    span = {"from": _written(since), "to": _written(until)}
    return page(name, slug, range="custom", **span, **filters)


def request(slug: str, hold_id: UUID) -> str:
    return page("request", slug, f"req_{hold_id.hex}")


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"
