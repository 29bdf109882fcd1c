"""The query string of a page: its whole state, so that a link says what it shows."""

from __future__ import annotations

from django.http import QueryDict

PAGING = ("after", "before")  # where in a list; gone when the list becomes another


def changed(params: QueryDict, *dropped: str, **values: str) -> str:
    """`?…` with these values instead, or without those parameters; from the list's
    first page, unless a value says where."""
    found = params.copy()
    for name in (*dropped, *PAGING):
        found.pop(name, None)
    for name, value in values.items():
        found[name] = value
    return f"?{found.urlencode()}"
