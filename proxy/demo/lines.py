"""A row of the table that the demonstration prints."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One row of the demonstration's table; credits as the reply had them."""

    call: str
    outcome: str
    held: str = "—"
    charged: str = "—"
    remaining: str = "—"
    is_right: bool = True
