"""A part that is polled: sent once, then 204 until it is another."""

from __future__ import annotations

from django.http import HttpResponse
from django.test import RequestFactory

from portal.pages.parts.polling import unless_known


def test_what_is_known_is_not_sent_again() -> None:
    ask = RequestFactory().get
    first = unless_known(ask("/"), HttpResponse("rows"))
    etag = first["ETag"]
    assert (first.status_code, first.content) == (200, b"rows")
    for known in (etag, f"W/{etag}"):  # weak once it was compressed
        again = unless_known(
            ask("/", headers={"if-none-match": known}), HttpResponse("rows")
        )
        assert (again.status_code, again.content) == (204, b"")
    other = unless_known(
        ask("/", headers={"if-none-match": etag}), HttpResponse("more")
    )
    assert other.content == b"more"
