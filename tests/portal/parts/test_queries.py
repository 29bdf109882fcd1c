"""A page asks the same number of queries, whatever there is: of every page there is."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.pages import house, measure, routes

pytestmark = pytest.mark.once


def test_every_page_asks_as_much_of_a_large_organization_as_of_a_small_one(
    db: None,
) -> None:
    small = house.build("small", calls_count=60, keys_count=3, members_count=3)
    large = house.build("large", calls_count=600, keys_count=60, members_count=60)
    asked: list[dict[str, list[str]]] = []
    for each in (small, large):
        client = Client()
        client.force_login(each.owner)
        pages = routes.pages(each, client)
        assert {"overview", "keys", "settings", "search"} <= set(pages)
        asked.append(
            {name: measure.queries(client, url) for name, url in pages.items()}
        )
    few, many = asked
    differing = {
        name: (len(few[name]), len(queries), queries[-3:])
        for name, queries in many.items()
        if len(queries) != len(few[name])
    }
    assert not differing
