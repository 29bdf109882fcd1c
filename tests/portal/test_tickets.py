"""A form acts once, and what was not done may be sent again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.models import Organization
from portal.pages.parts import tickets
from tests.support.cast import make_organization, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.once]

WAYS = pytest.mark.parametrize("way", [tickets.once, tickets.once_slowly])
Way = Callable[[int, str, Callable[[], object]], object]


class Cut(BaseException):
    """As a process that ends in the middle."""


@WAYS
def test_it_acts_once(way: Way) -> None:
    assert way(1, "ticket", lambda: "made") == "made"
    with pytest.raises(tickets.Used):
        way(1, "ticket", pytest.fail)
    assert way(2, "ticket", lambda: "another person's") == "another person's"


@WAYS
@pytest.mark.parametrize("error", [ValueError, Cut])
def test_what_was_not_done_may_be_sent_again(
    way: Way, error: type[BaseException]
) -> None:
    """After a page that said "try again in a few seconds" the same form was told that
    it had been done already."""

    def fail() -> None:
        raise error

    with pytest.raises(error):
        way(1, "ticket", fail)
    assert not tickets.is_used(1, "ticket")
    assert way(1, "ticket", lambda: "made") == "made"


def test_what_is_cut_leaves_neither_the_change_nor_its_mark() -> None:
    def half() -> None:
        make_organization("Half", make_user("half@example.com"))
        raise Cut

    with pytest.raises(Cut):
        tickets.once(1, "ticket", half)
    assert not Organization.objects.filter(name="Half").exists()
    assert not tickets.is_used(1, "ticket")
