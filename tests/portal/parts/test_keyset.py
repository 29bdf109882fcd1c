"""Pages of a list: each row once and in order, forwards and back, nulls or none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.models import ApiKey, Organization, User
from portal.pages.parts import keyset
from portal.pages.parts.keyset import Order
from tests.support.cast import make_key

ORDERS = [
    Order("created_at", is_descending=True),
    Order("name"),
    Order("spender__closes_at", is_nullable=True),
    Order("spender__closes_at", is_descending=True, is_nullable=True),
    Order("project__name"),  # the same for all: the tie decides
    Order("pk", is_descending=True),
]


@pytest.fixture
def keys(organization: Organization, alice: User) -> list[ApiKey]:
    """Seven, some with the same name, some that never expire."""
    now = timezone.now()
    days = (3, None, 1, 1, None, None, 2)
    return [
        make_key(
            organization,
            alice,
            f"key {number % 3}",
            expires_at=now + timedelta(days=day) if day else None,
        )[0]
        for number, day in enumerate(days)
    ]


def walk(order: Order, size: int) -> tuple[list[ApiKey], list[ApiKey]]:
    """All rows by `after`, then those before the last page by `before`."""
    rows = ApiKey.objects.select_related("project", "spender")
    page = keyset.cut(rows, order, size)
    assert page.before == ""
    forwards = list(page.rows)
    while page.after:
        page = keyset.cut(rows, order, size, after=page.after)
        assert len(page.rows) <= size
        forwards += page.rows
    back: list[ApiKey] = list(page.rows)
    while page.before:
        page = keyset.cut(rows, order, size, before=page.before)
        back = [*page.rows, *back]
    return forwards, back


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_every_row_once_and_in_order(
    keys: list[ApiKey], order: Order, size: int
) -> None:
    wanted = list(ApiKey.objects.order_by(*order.terms()))
    forwards, back = walk(order, size)
    assert forwards == wanted
    assert back == wanted
    rows = ApiKey.objects.select_related("project", "spender")
    assert [
        row for chunk in keyset.chunks(rows, order, size) for row in chunk
    ] == wanted


def test_what_never_expires_comes_last_both_ways(keys: list[ApiKey]) -> None:
    rows = ApiKey.objects.select_related("spender").filter(pk__in=[k.pk for k in keys])
    for order in ORDERS[2:4]:
        found = keyset.cut(rows, order, 10).rows
        assert [key.expires_at is None for key in found] == [False] * 4 + [True] * 3


def test_a_new_row_moves_nothing_from_page_to_page(
    keys: list[ApiKey], organization: Organization, alice: User
) -> None:
    newest = ORDERS[0]
    first = keyset.cut(ApiKey.objects.all(), newest, 3)
    make_key(organization, alice, "new")
    second = keyset.cut(ApiKey.objects.all(), newest, 3, after=first.after)
    assert [key.name for key in second.rows] == [key.name for key in keys[3:0:-1]]


@pytest.mark.parametrize("cursor", ["x", "W10:abc:def", "9" * 5000, "\0"])
def test_a_cursor_that_is_none_of_ours_shows_the_first_page(
    keys: list[ApiKey], cursor: str
) -> None:
    order = ORDERS[1]
    first = keyset.cut(ApiKey.objects.all(), order, 2)
    assert keyset.cut(ApiKey.objects.all(), order, 2, after=cursor) == first
    assert keyset.cut(ApiKey.objects.all(), order, 2, before=cursor) == first
    of_another_order = keyset.cut(ApiKey.objects.all(), ORDERS[0], 2).after
    assert keyset.cut(ApiKey.objects.all(), order, 2, after=of_another_order) == first
